//! Addresses that are not public: IANA's special-purpose registries, and what is built on them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[rustfmt::skip]
const V4: &[([u8; 4], u32, &str)] = &[
    ([0, 0, 0, 0],       8,  "this network"),
    ([10, 0, 0, 0],      8,  "private"),
    ([100, 64, 0, 0],    10, "carrier-grade NAT"),
    ([127, 0, 0, 0],     8,  "loopback"),
    ([169, 254, 0, 0],   16, "link-local"),
    ([172, 16, 0, 0],    12, "private"),
    ([192, 0, 0, 0],     24, "protocol assignments"),
    ([192, 0, 2, 0],     24, "documentation"),
    ([192, 88, 99, 0],   24, "6to4 relay"),
    ([192, 168, 0, 0],   16, "private"),
    ([198, 18, 0, 0],    15, "benchmarking"),
    ([198, 51, 100, 0],  24, "documentation"),
    ([203, 0, 113, 0],   24, "documentation"),
    ([224, 0, 0, 0],     4,  "multicast"),
    ([240, 0, 0, 0],     4,  "reserved"),
];

/// Inside 2000::/3, the only part of IPv6 that is public; everything outside is not. 2002::/16 would
/// carry an IPv4 address of ours past the list above, as 64:ff9b::/96 (outside) would.
#[rustfmt::skip]
const V6: &[(Ipv6Addr, u32, &str)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0),     23, "protocol assignments"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "documentation"),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0),     16, "6to4"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0),     20, "documentation"),
];

/// The name of the range that a canonical address lies in; `None` for a public one.
pub(super) fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => {
            let inside = |net: [u8; 4], bits: u32| (u32::from(address) ^ u32::from(Ipv4Addr::from(net))) >> (32 - bits) == 0;
            V4.iter().find(|(net, bits, _)| inside(*net, *bits)).map(|(_, _, name)| *name)
        }
        IpAddr::V6(address) => {
            let inside = |net: Ipv6Addr, bits: u32| (u128::from(address) ^ u128::from(net)) >> (128 - bits) == 0;
            if !inside(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3) {
                return Some("not public");
            }
            V6.iter().find(|(net, bits, _)| inside(*net, *bits)).map(|(_, _, name)| *name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_end_where_they_should() {
        let special = |text: &str| special(text.parse().expect("an address"));
        for (inside, outside) in [
            ("100.127.255.255", "100.128.0.0"),
            ("172.16.0.0", "172.15.255.255"),
            ("172.31.255.255", "172.32.0.0"),
            ("198.19.255.255", "198.20.0.0"),
            ("224.0.0.0", "223.255.255.255"),
            ("0.255.255.255", "1.0.0.0"),
            ("192.0.0.255", "192.0.1.0"),
            ("2002:ffff::", "2003::"),
            ("2001:1ff::", "2001:200::"),
            ("2001:db8:ffff::", "2001:db9::"),
            ("3fff:fff::", "3fff:1000::"),
            ("4000::", "3ffe::"),
        ] {
            assert!(special(inside).is_some(), "{inside}");
            assert_eq!(special(outside), None, "{outside}");
        }
    }
}
