//! Who may ask what.

use atelier_http::{Config, StaffPolicy};
use axum::body::Body;
use uuid::Uuid;

use crate::house::{House, get};

#[tokio::test]
async fn staff_say_who_they_are_and_keep_to_their_room() {
    let house = House::new().await;
    let id = Uuid::from_u128(1);
    for path in
        ["/mes/v1/queue", "/mes/v1/gaps", "/crm/v1/orders", "/crm/v1/attention", "/events/v1/", "/events/v1", "/mes/v1/queue/stream"]
    {
        let answer = house.get(path).await;
        answer.refused_field(401, "unauthenticated", "X-Staff", "is missing. Send `X-Staff: NAME;ROLE`");
        assert_eq!(answer.header("www-authenticate"), "X-Staff", "{path}");
        for bad in ["ann", ";operator", "ann;king"] {
            house.get_as(bad, path).await.refused_field(401, "unauthenticated", "X-Staff", "with the role operator, seller or admin");
        }
        let admin = get(path).header("x-staff", "A;admin").body(Body::empty()).expect("a request");
        assert_eq!(house.send(admin).await.status(), 200, "{path}");
    }
    for (staff, path, wanted) in [
        ("Sam;seller", format!("/mes/v1/orders/{id}/start"), "operator or admin"),
        ("Sam;seller", "/mes/v1/queue/claim".into(), "operator or admin"),
        ("Ann;operator", format!("/crm/v1/orders/{id}/approve"), "seller or admin"),
    ] {
        house.post_as(staff, &path, "").await.refused_field(403, "forbidden", "X-Staff", &format!("This needs the role {wanted}."));
    }
    for staff in ["Ann;operator", "A;admin"] {
        house.get_as(staff, "/mes/v1/queue").await.expect(200);
    }
    for staff in ["Sam;seller", "A;admin"] {
        house.get_as(staff, "/crm/v1/orders").await.expect(200);
    }
}

#[tokio::test]
async fn a_page_from_elsewhere_is_not_taken_for_staff() {
    let house = House::new().await;
    let ask = |host: &'static str| {
        house.call(get("/mes/v1/queue").header("host", host).header("x-staff", "A;admin").body(Body::empty()).expect("a request"))
    };
    for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "localhost"] {
        ask(host).await.expect(200);
    }
    for host in ["evil.example:8080", "localhost.evil.example", "10.0.0.1:8080", ""] {
        ask(host).await.refused_field(401, "unauthenticated", "Host", "does not name this machine. Staff are believed");
    }
    let twice = get("/mes/v1/queue").header("host", "localhost").header("host", "evil.example").header("x-staff", "A;admin");
    house.call(twice.body(Body::empty()).expect("a request")).await.refused_field(401, "unauthenticated", "Host", "");
    // The whole address in the request's line counts like the header.
    let whole = get("http://evil.example/mes/v1/queue").header("x-staff", "A;admin").body(Body::empty()).expect("a request");
    house.call(whole).await.refused_field(401, "unauthenticated", "Host", "");
    // Who is no staff may call the machine what they like.
    house.call(get("/healthz").header("host", "evil.example").body(Body::empty()).expect("a request")).await.expect(200);
}

#[tokio::test]
async fn a_gateway_without_staff_believes_nobody() {
    let house = House::with(|config: &mut Config| config.staff = StaffPolicy::Closed).await;
    house.get_as("A;admin", "/mes/v1/queue").await.refused(401, "unauthenticated", "This gateway knows no staff");
    house.order("k").await;
}
