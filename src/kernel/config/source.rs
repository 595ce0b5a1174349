//! Where a setting came from.

/// One setting as it is in force, fit to be shown to anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingSource {
    pub name: &'static str,
    pub environment_name: &'static str,
    /// Masked where it is secret; of a database URL only the password is.
    pub value: String,
    /// The variable, the file, or `default`.
    pub source: String,
}
