//! Where a key lies must be the same for every client in every language.

use uuid::Uuid;

use crate::{murmur2, order_of_key, partition_of};

/// From Apache Kafka's own `UtilsTest.testMurmur2`.
#[test]
fn murmur2_agrees_with_kafka() {
    let golden: [(&str, i32); 6] = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ];
    for (text, hash) in golden {
        assert_eq!(murmur2(text.as_bytes()) as i32, hash, "{text}");
    }
}

#[test]
fn an_order_lies_where_a_java_producer_would_put_it() {
    let order: Uuid = "0190a5f2-6f3e-7c4a-9b1d-2e8f4a6c8d10".parse().unwrap();
    let text = "0190a5f2-6f3e-7c4a-9b1d-2e8f4a6c8d10";
    assert_eq!(partition_of(&order, 12), (murmur2(text.as_bytes()) & 0x7fff_ffff) % 12);
    let mut hit = [0_u32; 8];
    for n in 0..8000_u128 {
        hit[partition_of(&Uuid::from_u128(n * 0x9e37_79b9_7f4a_7c15), 8) as usize] += 1;
    }
    assert!(hit.iter().all(|hits| (800..1200).contains(hits)), "{hit:?}");
}

#[test]
fn an_order_has_one_key() {
    let order: Uuid = "0190a5f2-6f3e-7c4a-9b1d-2e8f4a6c8d10".parse().unwrap();
    assert_eq!(order_of_key(&order.to_string()), Some(order));
    let others = [
        order.as_simple().to_string(),
        order.as_urn().to_string(),
        order.as_braced().to_string(),
        order.to_string().to_uppercase(),
        format!(" {order}"),
        String::new(),
        "no order at all".to_owned(),
    ];
    for other in others {
        assert_eq!(order_of_key(&other), None, "{other:?}");
    }
}
