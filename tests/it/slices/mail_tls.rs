//! Mail over TLS (RFC 8314) and STARTTLS (RFC 3207), to a server that has to prove who it is.

use serde_json::json;

use crate::harness::TestApp;
use crate::harness::app::PASSWORD;
use crate::harness::secured::AUTHORITY;
use crate::harness::smtp::{MailServer, Mood, Secured};

/// With a user and a password in its URL.
async fn started(server: &MailServer, more: &[(&str, &str)]) -> TestApp {
    let url = server.url.replace("://", "://postman:horse-Battery-9@");
    let own = [
        ("BAILIWICK_SMTP_URL", url.as_str()),
        ("BAILIWICK_MAIL_FROM", "accounts@bailiwick.example"),
        ("BAILIWICK_RATE_LIMITS", "off"),
    ];
    let app = TestApp::start_with(&[&own[..], more].concat()).await;
    app.account("alice", false).await;
    let token = app.sign_in("alice").await;
    let body = json!({ "current": PASSWORD, "password": "quay-Lantrn-71x-moss" });
    app.put("/api/auth/password").bearer(&token).json(body).send().await.expect(204);
    app.run_errands().await;
    app
}

async fn last_error(app: &TestApp) -> String {
    let statement = "select coalesce(last_error, '') from jobs where name = 'send_mail'";
    sqlx::query_scalar(statement).fetch_one(&app.sql).await.unwrap()
}

#[tokio::test]
async fn mail_goes_over_tls_from_the_beginning_or_once_it_was_asked_for() {
    for secured in [Secured::FromTheBeginning, Secured::WhenAsked] {
        let server = MailServer::start_secured(secured).await;
        started(&server, &[("BAILIWICK_CA_FILE", AUTHORITY)]).await;
        let received = server.received();
        assert_eq!(received.len(), 1, "{secured:?}: {:?}", server.commands());
        assert_eq!(received[0].to, "alice@example.com");
        assert_eq!(server.signed_in().as_deref(), Some("\0postman\0horse-Battery-9"));
        let commands = server.commands();
        let place = |name: &str| commands.iter().position(|command| command == name);
        if secured == Secured::WhenAsked {
            assert!(
                place("STARTTLS").is_some() && place("STARTTLS") < place("AUTH"),
                "{commands:?}"
            );
        } else {
            assert_eq!(place("STARTTLS"), None);
        }
    }
}

#[tokio::test]
async fn nothing_is_told_to_a_server_whose_authority_nobody_knows() {
    for secured in [Secured::FromTheBeginning, Secured::WhenAsked] {
        let server = MailServer::start_secured(secured).await;
        let app = started(&server, &[]).await;
        assert_eq!((server.received().len(), server.signed_in()), (0, None), "{secured:?}");
        let error = last_error(&app).await;
        assert!(error.contains("certificate") || error.contains("UnknownIssuer"), "{error}");
    }
}

/// Somebody on the way who takes the offer out of the conversation gets nothing either.
#[tokio::test]
async fn nothing_is_told_in_the_clear_where_tls_is_wanted() {
    let mut server = MailServer::start(Mood::Well).await;
    server.url = format!("{}?tls=required", server.url.replace("127.0.0.1", "localhost"));
    let app = started(&server, &[("BAILIWICK_CA_FILE", AUTHORITY)]).await;
    assert_eq!((server.received().len(), server.signed_in()), (0, None));
    assert!(last_error(&app).await.contains("STARTTLS"), "{}", last_error(&app).await);
}
