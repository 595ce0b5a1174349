//! The columns of an account that others may see.

/// A statement whose rows have the columns of an account `u`, without the hash, and then others.
macro_rules! users {
    ($before:tt, [$($after:tt)+], $($argument:expr),* $(,)?) => {
        sqlx::query!(
            $before
                + r#" u.id, u.username, u.email, u.first_name, u.last_name, u.language, u.enabled,
                      u.is_sys_admin, u.email_verified, u.must_change_password,
                      u.created_at, u.last_login_at, u.version "#
                + $($after)+,
            $($argument),*
        )
    };
}
pub(super) use users;

/// The account in a row of [`users!`].
macro_rules! user_of {
    ($row:expr) => {
        User {
            id: $row.id.into(),
            username: $row.username,
            email: $row.email,
            first_name: $row.first_name,
            last_name: $row.last_name,
            language: $row.language,
            enabled: $row.enabled,
            is_sys_admin: $row.is_sys_admin,
            email_verified: $row.email_verified,
            must_change_password: $row.must_change_password,
            // There are no second factors yet, so nobody has one.
            mfa_enabled: false,
            created_at: $row.created_at,
            last_login_at: $row.last_login_at,
            version: $row.version,
        }
    };
}
pub(super) use user_of;
