//! Throttling of failed authentication by client address: after [`MAX_FAILURES`] failed
//! attempts the API looks up no key of the address until [`WINDOW`] ends.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use axum::extract::{ConnectInfo, Request};
use carillon::time::Timestamp;
use jiff::SignedDuration;
use lambda_http::request::RequestContext;

/// The maximum number of failed attempts of an address in [`WINDOW`].
const MAX_FAILURES: u32 = 20;
const WINDOW: SignedDuration = SignedDuration::from_mins(1);
/// The maximum number of addresses in memory. At the maximum all of them are removed.
const ADDRESSES: usize = 10_000;

/// The failed attempts by client address. Each process counts its own.
#[derive(Debug, Default)]
pub(crate) struct AuthThrottle(Mutex<HashMap<IpAddr, Failed>>);

#[derive(Debug, Clone, Copy)]
struct Failed {
    since: Timestamp,
    times: u32,
}

impl AuthThrottle {
    /// How long the address must wait before its next attempt; none if it need not wait.
    pub(crate) fn wait(&self, from: IpAddr, now: Timestamp) -> Option<SignedDuration> {
        let failed = *self.lock().get(&from)?;
        let until = failed.since + WINDOW;
        (failed.times >= MAX_FAILURES && now < until).then(|| until.duration_since(now))
    }

    /// Records a failed attempt.
    pub(crate) fn note(&self, from: IpAddr, now: Timestamp) {
        let mut known = self.lock();
        if known.len() >= ADDRESSES {
            known.clear();
        }
        let failed = known.entry(from).or_insert(Failed { since: now, times: 0 });
        if now >= failed.since + WINDOW {
            *failed = Failed { since: now, times: 0 };
        }
        failed.times += 1;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, Failed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The client address of a request, from API Gateway or from the TCP connection; never from
/// a header, which the client can forge.
pub(crate) fn source(request: &Request) -> Option<IpAddr> {
    let extensions = request.extensions();
    if let Some(RequestContext::ApiGatewayV2(context)) = extensions.get::<RequestContext>() {
        return context.http.source_ip.as_deref()?.parse().ok();
    }
    extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn an_address_waits_after_many_failures_and_others_do_not() {
        let attempts = AuthThrottle::default();
        let (one, other) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        for second in 0..20 {
            assert_eq!(attempts.wait(one, at(second)), None);
            attempts.note(one, at(second));
        }
        assert_eq!(attempts.wait(one, at(20)), Some(SignedDuration::from_secs(40)));
        assert_eq!(attempts.wait(other, at(20)), None);
        assert_eq!(attempts.wait(one, at(60)), None);
        attempts.note(one, at(60));
        assert_eq!(attempts.wait(one, at(61)), None);
    }

    #[test]
    fn memory_is_bounded() {
        let attempts = AuthThrottle::default();
        for number in 0..20_000_u32 {
            attempts.note(IpAddr::from(number.to_be_bytes()), at(0));
        }
        assert!(attempts.lock().len() <= ADDRESSES);
    }
}
