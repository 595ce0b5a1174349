//! A service that mails to a server of the test's own.

use super::TestApp;
use super::smtp::{MailServer, Mood, Received};

const FROM: (&str, &str) = ("BAILIWICK_MAIL_FROM", "Accounts <accounts@bailiwick.example>");

/// The service, and the mail server that it has.
pub struct Mailbox {
    pub app: TestApp,
    pub server: MailServer,
}

impl Mailbox {
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    pub async fn with(settings: &[(&str, &str)]) -> Self {
        let server = MailServer::start(Mood::Well).await;
        let own = [("BAILIWICK_SMTP_URL", server.url.as_str()), FROM];
        let unlimited = [("BAILIWICK_RATE_LIMITS", "off")];
        let app = TestApp::start_with(&[&own[..], &unlimited, settings].concat()).await;
        Self { app, server }
    }

    /// What is mailed since the last look.
    pub async fn mails(&self) -> Vec<Received> {
        let before = self.server.received().len();
        self.app.run_errands().await;
        self.server.received().split_off(before)
    }

    /// The one mail since the last look.
    pub async fn mail(&self) -> Received {
        let mut mails = self.mails().await;
        assert_eq!(mails.len(), 1, "{mails:?}");
        mails.remove(0)
    }

    /// The token in it.
    pub async fn token(&self) -> String {
        self.mail().await.token().unwrap()
    }
}

impl Received {
    /// The token that it hands over, on a line of its own.
    pub fn token(&self) -> Option<String> {
        self.message.lines().find(|line| line.starts_with("bwm_")).map(str::to_owned)
    }
    pub fn subject(&self) -> &str {
        let mut lines = self.message.lines();
        lines.find_map(|line| line.strip_prefix("Subject: ")).unwrap()
    }
}

/// Settings of a service that mails nothing: only one that brings its own database writes mail to a
/// folder unasked.
pub const NO_MAIL: [(&str, &str); 4] = [
    ("DATABASE_URL", "postgres://localhost/elsewhere"),
    ("BAILIWICK_SECRET_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="),
    ("BAILIWICK_ISSUER", "http://test"),
    ("BAILIWICK_RATE_LIMITS", "off"),
];
