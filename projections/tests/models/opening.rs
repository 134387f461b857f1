//! Opening a store: the tables appear once, and what is wrong is told at once.

use atelier_projections::{Error, Store};

use crate::bed::Bed;

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_open_a_new_store_at_once() {
    for bed in Bed::both() {
        let opening: Vec<_> = (0..8)
            .map(|_| {
                let url = bed.url.clone();
                tokio::spawn(async move { Store::open(&url).await })
            })
            .collect();
        for store in opening {
            let store = store.await.unwrap().unwrap_or_else(|error| panic!("{}: {error}", bed.name));
            store.ping().await.expect("it answers");
        }
        assert!(bed.dump().await.values().all(Vec::is_empty));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_there_is_named_without_its_password() {
    let port = atelier_support::free_port();
    let error = Store::open(&format!("postgres://ann:s3cret@127.0.0.1:{port}/read")).await.err().expect("nobody is there");
    let text = error.to_string();
    assert!(matches!(error, Error::Unreachable { .. }), "{text}");
    assert!(text.contains(&format!("postgres://ann:***@127.0.0.1:{port}/read")) && text.contains("check host"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");

    let file = tempfile::NamedTempFile::new().unwrap();
    let url = format!("sqlite:{}/folder/read.sqlite", file.path().display());
    let error = Store::open(&url).await.err().expect("a file is no folder");
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");

    std::fs::write(file.path(), "this is not a database, whatever its name says").unwrap();
    let error = Store::open(&format!("sqlite:{}", file.path().display())).await.err().expect("not a database");
    assert!(matches!(error, Error::Unreachable { .. }) && error.to_string().contains("not a database"), "{error}");

    for address in ["read.sqlite", "mysql://db/read", "", "sqlite:"] {
        let error = Store::open(address).await.err().expect("no address");
        assert!(matches!(error, Error::Address { .. }) && error.to_string().contains("sqlite:/folder"), "{address}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_another_making_are_refused() {
    for bed in Bed::both() {
        drop(bed.store().await);
        bed.sql("UPDATE projection_migrations SET sql = sql || ' ' WHERE name = 'crm/1'").await;
        let error = Store::open(&bed.url).await.err().expect("refused");
        assert!(matches!(error, Error::Mismatch { .. }) && error.to_string().contains("crm/1"), "{error}");
    }
}
