//! Which hosts are reached without the proxy of the environment, by curl's rules for `NO_PROXY`.
//!
//! It knows neither the environment nor the connection.

/// Whether a `NO_PROXY` list names a host: itself or a domain above it, with or without a dot in front, or `*`.
pub(super) fn is_excepted(list: &str, host: &str) -> bool {
    list.split([',', ' '])
        .map(|name| name.trim().trim_start_matches("*.").trim_start_matches('.'))
        .any(|name| {
            let name = name.to_ascii_lowercase();
            name == "*"
                || (!name.is_empty()
                    && host
                        .strip_suffix(&name)
                        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
        })
}

#[cfg(test)]
mod tests {
    use super::is_excepted;

    #[test]
    fn exceptions_from_the_proxy_match_whole_domains() {
        for (list, host, excepted) in [
            ("example.com", "example.com", true),
            ("example.com", "a.example.com", true),
            (".example.com", "example.com", true),
            ("a, *.Example.com", "b.example.com", true),
            ("example.com", "badexample.com", false),
            ("*", "x.example", true),
            ("", "x.example", false),
            (",", "x.example", false),
        ] {
            assert_eq!(is_excepted(list, host), excepted, "{list} {host}");
        }
    }
}
