//! Tokens as they are mailed, given without a mail.

use bailiwick::context::mailed::Purpose;
use bailiwick::kernel::clock::Clock;
use bailiwick::kernel::credentials::mailed::MailedToken;
use bailiwick::kernel::crypto::Keys;
use uuid::Uuid;

use super::TestApp;
use super::app::{SECRET, shared_hash};

impl TestApp {
    /// That of a registration which waits to be confirmed, with the password of all.
    pub async fn registration_token(&self, username: &str) -> String {
        let id = Uuid::now_v7();
        let statement = "insert into registrations (id, username, email, email_key, language,
                           password_hash, created_at, expires_at)
                         values ($1, $2, $2 || '@example.com', $2 || '@example.com', 'en', $3,
                           $4, $4 + interval '1 day')";
        let insert = sqlx::query(statement).bind(id).bind(username).bind(shared_hash());
        let insert = insert.bind(self.clock.now());
        insert.execute(&self.sql).await.unwrap();
        self.mailed_token(Purpose::Registration, id).await
    }

    /// That of somebody who forgot their password.
    pub async fn reset_token(&self, user: Uuid) -> String {
        self.mailed_token(Purpose::Reset, user).await
    }

    /// That of an invitation.
    pub async fn invitation_token(&self, invitation: Uuid) -> String {
        self.mailed_token(Purpose::Invitation, invitation).await
    }

    /// The username of the registration that a token confirms.
    pub async fn registered_with(&self, token: &str) -> Option<String> {
        let hash = MailedToken::read(token).unwrap().hash(&Keys::derive(&SECRET));
        let username = "select r.username from mailed_tokens t join registrations r
                          on r.id = t.subject where t.hash = $1";
        let username = sqlx::query_scalar(username).bind(hash);
        username.fetch_optional(&self.sql).await.unwrap()
    }

    async fn mailed_token(&self, purpose: Purpose, subject: Uuid) -> String {
        let token = MailedToken::by_chance().unwrap();
        let statement = "insert into mailed_tokens (hash, kind, subject, valid_from, expires_at)
                         values ($1, $2, $3, $4, $4 + interval '30 minutes')
                         on conflict (kind, subject) do update
                           set hash = excluded.hash, expires_at = excluded.expires_at";
        sqlx::query(statement)
            .bind(token.hash(&Keys::derive(&SECRET)))
            .bind(purpose.name())
            .bind(subject)
            .bind(self.clock.now())
            .execute(&self.sql)
            .await
            .unwrap();
        token.text()
    }
}
