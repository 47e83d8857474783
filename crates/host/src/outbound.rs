//! Which addresses a component may call: Spin's `allowed_outbound_hosts`.

use anyhow::{Context, ensure};
use http::Uri;

/// The suffix of addresses that name another component of the same application.
pub(crate) const INTERNAL_SUFFIX: &str = ".spin.internal";

/// One entry of `allowed_outbound_hosts`: `scheme://host[:port]`, each part `*` for any;
/// a host may begin with `*.`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AllowedHost {
    scheme: Option<String>,
    host: HostPattern,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostPattern {
    Any,
    Exact(String),
    /// Any name that ends in this (with its leading dot).
    Suffix(String),
}

impl std::str::FromStr for AllowedHost {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (scheme, rest) = text
            .split_once("://")
            .with_context(|| format!("allowed_outbound_hosts: {text:?} has no scheme"))?;
        ensure!(
            !rest.is_empty() && !rest.contains(['/', '?', '#', '@']),
            "allowed_outbound_hosts: {text:?} must be scheme://host[:port]"
        );
        let scheme = (scheme != "*").then(|| scheme.to_owned());
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, "*")) => (host, None),
            Some((host, port)) if !port.contains(']') => {
                let port = port.parse().with_context(|| format!("the port of {text:?}"))?;
                (host, Some(port))
            }
            _ => (rest, scheme.as_deref().and_then(default_port)),
        };
        let host = match host {
            "*" => HostPattern::Any,
            host => match host.strip_prefix('*') {
                Some(suffix) if suffix.starts_with('.') => HostPattern::Suffix(suffix.to_owned()),
                Some(_) => anyhow::bail!("allowed_outbound_hosts: {text:?}: '*' must be a label"),
                None => HostPattern::Exact(host.to_owned()),
            },
        };
        Ok(Self { scheme, host, port })
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

impl AllowedHost {
    /// Whether a request to this address is granted.
    pub(crate) fn allows(&self, uri: &Uri) -> bool {
        let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else { return false };
        let port = uri.port_u16().or_else(|| default_port(scheme));
        self.scheme.as_deref().is_none_or(|allowed| allowed == scheme)
            && (self.port.is_none() || self.port == port)
            && match &self.host {
                HostPattern::Any => !host.ends_with(INTERNAL_SUFFIX),
                HostPattern::Exact(allowed) => allowed.eq_ignore_ascii_case(host),
                HostPattern::Suffix(suffix) => host.to_ascii_lowercase().ends_with(suffix.as_str()),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(pattern: &str, uri: &str) -> bool {
        pattern.parse::<AllowedHost>().unwrap().allows(&uri.parse().unwrap())
    }

    #[test]
    fn only_what_is_written_is_allowed() {
        assert!(allows("http://crl.example", "http://crl.example/a.crl"));
        assert!(!allows("http://crl.example", "https://crl.example/a.crl"));
        assert!(!allows("http://crl.example", "http://crl.example:8080/"));
        assert!(!allows("http://crl.example", "http://crl.example.evil/"));
        assert!(allows("http://127.0.0.1:8080", "http://127.0.0.1:8080/"));
        assert!(allows("https://*.example:*", "https://a.example:9/"));
        assert!(!allows("https://*.example", "https://example/"));
        assert!(allows("*://*:*", "http://anything:1/"));
        assert!(!allows("*://*:*", "http://verify.spin.internal/"));
        assert!(allows("http://verify.spin.internal", "http://verify.spin.internal/x"));
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["crl.example", "http://", "http://a/b", "http://*a", "http://a:b"] {
            assert!(bad.parse::<AllowedHost>().is_err(), "{bad}");
        }
    }
}
