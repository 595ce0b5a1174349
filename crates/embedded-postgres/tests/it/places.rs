//! Folders and programs that do not suit, and what is said then.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use embedded_postgres::{EmbeddedError, EmbeddedOptions, EmbeddedPostgres};
use nix::unistd::Uid;

use crate::harness::{options, place, rows, start, write_row};

#[tokio::test]
async fn long_path_moves_the_socket() {
    let place = place();
    let folder = place.path().join("a-folder-with-a-long-name".repeat(4)).join("service");
    for round in 1..=2 {
        let postgres = start(&folder).await;
        let sockets = postgres.socket_directory().to_owned();
        assert!(sockets.starts_with("/tmp") && sockets.as_os_str().len() < 40);
        assert_eq!(sockets.metadata().unwrap().mode() & 0o777, 0o700);
        write_row(&postgres).await;
        assert_eq!(rows(&postgres).await, round);
        postgres.stop().await.unwrap();
        assert!(!sockets.exists(), "nothing stays outside the folder");

        // Somebody else came first.
        std::fs::create_dir(&sockets).unwrap();
        std::fs::set_permissions(&sockets, PermissionsExt::from_mode(0o777)).unwrap();
        let refused = EmbeddedPostgres::start(options(&folder)).await.unwrap_err();
        assert!(matches!(refused, EmbeddedError::SocketDirectoryTaken { .. }), "{refused}");
        std::fs::remove_dir(&sockets).unwrap();
    }
}

#[tokio::test]
async fn awkward_path() {
    let place = place();
    let postgres = start(place.path().join("a, b \"c\" ü")).await;
    write_row(&postgres).await;
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn folder_not_writable() {
    let place = place();
    // Root writes everywhere, but not below a file.
    let folder = if Uid::effective().is_root() {
        std::fs::write(place.path().join("file"), "").unwrap();
        place.path().join("file/service")
    } else {
        std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o555)).unwrap();
        place.path().join("service")
    };
    match EmbeddedPostgres::start(options(&folder)).await.unwrap_err() {
        EmbeddedError::FolderNotWritable { path, reason } => {
            assert_eq!(path, folder);
            assert!(!reason.is_empty());
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn folder_not_enterable_for_the_account() {
    if !Uid::effective().is_root() {
        return;
    }
    let place = place();
    let closed = place.path().canonicalize().unwrap().join("closed");
    std::fs::create_dir(&closed).unwrap();
    let mode = |mode| std::fs::set_permissions(&closed, PermissionsExt::from_mode(mode)).unwrap();
    mode(0o700);
    let refused = EmbeddedPostgres::start(options(closed.join("service"))).await.unwrap_err();
    match &refused {
        EmbeddedError::FolderNotEnterable { path, parent, user } => {
            assert!(path.starts_with(closed.join("service")));
            assert_eq!(parent, &closed);
            assert!(["postgres", "nobody"].contains(&user.as_str()));
        }
        other => panic!("{other}"),
    }
    // The advice of the message works, and so does a cluster that is closed off later on.
    mode(0o711);
    start(closed.join("service")).await.stop().await.unwrap();
    mode(0o700);
    let refused = EmbeddedPostgres::start(options(closed.join("service"))).await.unwrap_err();
    assert!(matches!(refused, EmbeddedError::FolderNotEnterable { .. }), "{refused}");
}

/// As after `cp -r` by root, or `chown -R` of a volume.
#[tokio::test]
async fn copied_folder_gets_its_owner_and_mode_back() {
    let place = place();
    let postgres = start(place.path().join("old")).await;
    write_row(&postgres).await;
    postgres.stop().await.unwrap();
    let copied =
        Command::new("cp").args(["-r", "old", "new"]).current_dir(place.path()).status().unwrap();
    assert!(copied.success());
    let data = place.path().join("new/postgres/data");
    std::fs::set_permissions(&data, PermissionsExt::from_mode(0o755)).unwrap();
    let postgres = start(place.path().join("new")).await;
    assert_eq!(rows(&postgres).await, 1);
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn failed_start_quotes_the_log_on_one_line() {
    let place = place();
    let wanted = EmbeddedOptions {
        settings: vec![("shared_buffers".into(), "plenty".into())],
        ..options(place.path())
    };
    let refused = EmbeddedPostgres::start(wanted).await.unwrap_err().to_string();
    assert!(refused.contains("shared_buffers") && refused.contains("plenty"), "{refused}");
    assert!(!refused.contains('\n'), "{refused}");
    // Nothing of it stands in the way.
    start(place.path()).await.stop().await.unwrap();
}

#[tokio::test]
async fn programs_must_fit() {
    let place = place();
    let empty = place.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let wanted =
        EmbeddedOptions { binaries: Some(empty.clone()), ..options(place.path().join("a")) };
    match EmbeddedPostgres::start(wanted).await.unwrap_err() {
        EmbeddedError::NoBinariesIn { path } => assert_eq!(path, empty),
        other => panic!("{other}"),
    }
    let data = place.path().join("b/postgres/data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("PG_VERSION"), "11\n").unwrap();
    match EmbeddedPostgres::start(options(place.path().join("b"))).await.unwrap_err() {
        EmbeddedError::OtherVersion { made_by, .. } => assert_eq!(made_by, 11),
        other => panic!("{other}"),
    }
}
