//! Lets `object_store` speak HTTP through ureq: its own client would bring a second TLS.

use std::io::Read as _;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};

/// Until there is a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// For an answer, or the next bytes of one. An upload's part may take as long as its line is slow.
const SILENCE: Duration = Duration::from_secs(60);
/// Bytes of an answer: `get` asks for no more at a time.
const MAX_ANSWER: u64 = 64 << 20;

/// Makes clients that share their connections.
#[derive(Debug, Default)]
pub struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let config = ureq::Agent::config_builder()
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .user_agent(concat!("pirun/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            .accept_encoding("")
            .max_redirects(0)
            .build();
        Ok(HttpClient::new(Service(config.into())))
    }
}

#[derive(Debug)]
struct Service(ureq::Agent);

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let agent = self.0.clone();
        let answer = tokio::task::spawn_blocking(move || send(&agent, head, &body)).await;
        answer.map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?
    }
}

fn send(
    agent: &ureq::Agent,
    head: http::request::Parts,
    body: &Bytes,
) -> Result<HttpResponse, HttpError> {
    let request = http::Request::from_parts(head, &body[..]);
    let answer = agent.run(request).map_err(failed)?;
    let (head, body) = answer.into_parts();
    let mut bytes = Vec::new();
    let read = body.into_reader().take(MAX_ANSWER).read_to_end(&mut bytes);
    read.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error))?;
    let body = Full::new(Bytes::from(bytes)).map_err(|never| match never {});
    Ok(HttpResponse::from_parts(head, HttpResponseBody::new(body)))
}

/// Which errors are worth another try.
fn failed(error: ureq::Error) -> HttpError {
    let kind = match &error {
        ureq::Error::ConnectionFailed | ureq::Error::HostNotFound => HttpErrorKind::Connect,
        ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => {
            HttpErrorKind::Connect
        }
        ureq::Error::Timeout(_) => HttpErrorKind::Timeout,
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            HttpErrorKind::Connect
        }
        ureq::Error::Io(_) => HttpErrorKind::Interrupted,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error)
}
