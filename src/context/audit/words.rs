//! What the trail tells of: every action, and every kind of thing that they happen to. What is not
//! listed here cannot be written; the document lists them, and filters take nothing else.

use serde::Deserialize;
use utoipa::ToSchema;

macro_rules! words {
    ($(#[$meta:meta])* $type:ident { $($name:ident = $word:literal,)+ }) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        $(#[$meta])*
        pub enum $type { $($name,)+ }

        impl $type {
            /// As it is stored and told.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }
            #[cfg(test)]
            const ALL: &'static [Self] = &[$(Self::$name,)+];
        }
    };
}

words! {
    /// What was done.
    Action {
        UserSignedIn = "user_signed_in",
        UserSignedOut = "user_signed_out",
        SignInFailed = "sign_in_failed",
        SessionEnded = "session_ended",
        SessionsEnded = "sessions_ended",
        SteppedUp = "stepped_up",
        RefreshTokenReused = "refresh_token_reused",
        ImpersonationStarted = "impersonation_started",
        ImpersonationEnded = "impersonation_ended",
        ImpersonatedRequest = "impersonated_request",
        UserUnlocked = "user_unlocked",
        PasswordChanged = "password_changed",
        PasswordReset = "password_reset",
        PasswordSet = "password_set",
        PasswordResetRequested = "password_reset_requested",
        EmailChangeRequested = "email_change_requested",
        UserRegistered = "user_registered",
        UserCreated = "user_created",
        UserUpdated = "user_updated",
        UserErased = "user_erased",
        UserLookedUp = "user_looked_up",
        LookupFailed = "lookup_failed",
        MandateCreated = "mandate_created",
        MandateUpdated = "mandate_updated",
        MandateLimitsChanged = "mandate_limits_changed",
        MandateDeleted = "mandate_deleted",
        MandateRestored = "mandate_restored",
        MandatePurged = "mandate_purged",
        InvitationCreated = "invitation_created",
        InvitationResent = "invitation_resent",
        InvitationRevoked = "invitation_revoked",
        UserAddedToMandate = "user_added_to_mandate",
        MemberUpdated = "member_updated",
        RoleAssigned = "role_assigned",
        UserRemovedFromMandate = "user_removed_from_mandate",
        GroupCreated = "group_created",
        GroupUpdated = "group_updated",
        GroupMembersChanged = "group_members_changed",
        GroupDeleted = "group_deleted",
        RoleCreated = "role_created",
        RoleUpdated = "role_updated",
        RolePermissionsChanged = "role_permissions_changed",
        RoleDeleted = "role_deleted",
        FeatureCreated = "feature_created",
        FeatureUpdated = "feature_updated",
        FeatureDeleted = "feature_deleted",
        CatalogueUpdated = "catalogue_updated",
        InstanceCreated = "instance_created",
        InstanceUpdated = "instance_updated",
        InstanceRolesSynced = "instance_roles_synced",
        InstanceDeleted = "instance_deleted",
        InstanceAccessGranted = "instance_access_granted",
        InstanceAccessUpdated = "instance_access_updated",
        InstanceRoleAssigned = "instance_role_assigned",
        InstanceAccessRevoked = "instance_access_revoked",
        PlaybookCreated = "playbook_created",
        PlaybookUpdated = "playbook_updated",
        PlaybookDeleted = "playbook_deleted",
        PlaybookRestored = "playbook_restored",
        PlaybookPurged = "playbook_purged",
        PlaybookVersionCreated = "playbook_version_created",
        PlaybookVersionUpdated = "playbook_version_updated",
        PlaybookVersionRolledBack = "playbook_version_rolled_back",
        PlaybookVersionDeleted = "playbook_version_deleted",
        PlaybookVersionRestored = "playbook_version_restored",
        PlaybookVersionPurged = "playbook_version_purged",
        BookingRequested = "booking_requested",
        BookingAccepted = "booking_accepted",
        BookingRejected = "booking_rejected",
        BookingDeleted = "booking_deleted",
        SigningKeysRotated = "signing_keys_rotated",
        SigningKeyRetired = "signing_key_retired",
        SecretRotated = "secret_rotated",
        DemoSeeded = "demo_seeded",
        LoadSeeded = "load_seeded",
    }
}

words! {
    /// To what kind of thing.
    ResourceType {
        User = "user",
        Session = "session",
        Request = "request",
        Mandate = "mandate",
        Member = "member",
        Invitation = "invitation",
        Group = "group",
        Role = "role",
        Feature = "feature",
        Instance = "instance",
        Playbook = "playbook",
        PlaybookVersion = "playbook_version",
        Booking = "booking",
        SigningKey = "signing_key",
        Platform = "platform",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_word_is_read_as_it_is_written() {
        for action in Action::ALL {
            assert_eq!(serde_json::from_value::<Action>(json!(action.name())).unwrap(), *action);
        }
        for kind in ResourceType::ALL {
            assert_eq!(serde_json::from_value::<ResourceType>(json!(kind.name())).unwrap(), *kind);
        }
    }
}
