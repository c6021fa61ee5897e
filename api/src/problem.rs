//! What a client is told when there is no answer: RFC 9457 problem documents.
//!
//! A [`Problem`] says what the client can do about it in a short, stable sentence; causes go to the log, where they are
//! handled. The request's id and path are filled in by [`crate::request`], so that handlers need not know them.

use std::fmt;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The result of everything that answers a client.
pub type Answer<T> = Result<T, Problem>;

/// The media type of a problem document.
pub const PROBLEM_JSON: &str = "application/problem+json";

const DOCS: &str = "https://footfall.dev/problems/";

/// A problem document (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// A URI that names the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "https://footfall.dev/problems/invalid-parameter")]
    pub kind: String,
    /// The kind of problem in words; the same for every problem of the kind.
    #[schema(example = "Invalid parameter")]
    pub title: String,
    /// The HTTP status.
    #[schema(example = 400)]
    pub status: u16,
    /// What went wrong this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "end: must be after start")]
    pub detail: Option<String>,
    /// The path that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/api/v1/series")]
    pub instance: Option<String>,
    /// The request's id, as in `X-Request-Id`; quote it when you ask for help.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11")]
    pub request_id: Option<String>,
    /// The parameters that were wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ParameterError>,
    /// A step that keeps the number of points within the limit (`too-many-points`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "5m")]
    pub suggested_step: Option<String>,
    /// What is away (`upstream-unavailable`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<Component>,
}

/// A parameter that was wrong, and what would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParameterError {
    /// Its name.
    #[schema(example = "end")]
    pub parameter: String,
    /// A stable word for what is wrong with it.
    #[schema(example = "range_order")]
    pub code: String,
    /// The value that was given and what was expected.
    #[schema(example = "2026-11-24T09:00:00Z is not after start, 2026-11-24T10:00:00Z")]
    pub detail: String,
}

/// What an answer depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Component {
    /// History, the registry and the ledger.
    Postgres,
    /// The live view.
    Redis,
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
        })
    }
}

/// Why a client gets no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(Box<ProblemBody>);

impl Problem {
    fn new(status: StatusCode, kind: &str, title: &str, detail: Option<String>) -> Self {
        Self(Box::new(ProblemBody {
            kind: format!("{DOCS}{kind}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail,
            instance: None,
            request_id: None,
            errors: Vec::new(),
            suggested_step: None,
            component: None,
        }))
    }

    /// `parameter` is wrong; `code` is a stable word for how, `detail` says what was given and what would do.
    pub fn parameter(parameter: &str, code: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let mut problem = Self::new(
            StatusCode::BAD_REQUEST,
            "invalid-parameter",
            "Invalid parameter",
            Some(format!("{parameter}: {detail}")),
        );
        problem.0.errors.push(ParameterError {
            parameter: parameter.to_owned(),
            code: code.to_owned(),
            detail,
        });
        problem
    }

    /// The request cannot be read at all.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad-request",
            "Bad request",
            Some(detail.into()),
        )
    }

    /// Nothing is there.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "Not found",
            Some(detail.into()),
        )
    }

    /// The resource is there and cannot be asked this way.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "Method not allowed",
            Some("this resource answers GET and HEAD".to_owned()),
        )
    }

    /// The answer would hold more than it may; `suggested_step` would do.
    pub fn too_many_points(detail: impl Into<String>, suggested_step: Option<String>) -> Self {
        let mut problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "too-many-points",
            "Too many points",
            Some(detail.into()),
        );
        problem.0.suggested_step = suggested_step;
        problem
    }

    /// The client asked for more than it may have at a time.
    pub fn limited(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate-limited",
            "Rate limited",
            Some(detail.into()),
        )
    }

    /// Something that the answer needs is away.
    #[must_use]
    pub fn away(component: Component) -> Self {
        let mut problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "upstream-unavailable",
            "Upstream unavailable",
            Some(format!(
                "{component} does not answer; ask again in a moment"
            )),
        );
        problem.0.component = Some(component);
        problem
    }

    /// A mistake of ours. The cause is in the log under the request's id.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Internal error",
            None,
        )
    }

    /// What is sent.
    #[must_use]
    pub fn body(&self) -> &ProblemBody {
        &self.0
    }

    /// The same problem with the request that it belongs to.
    #[must_use]
    pub fn of_request(mut self, instance: &str, request_id: &str) -> Self {
        self.0.instance = Some(instance.to_owned());
        self.0.request_id = Some(request_id.to_owned());
        self
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).expect("made from a status")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.status, self.0.title)?;
        match &self.0.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = serde_json::to_vec(&self.0).expect("a problem has only strings as keys");
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if matches!(status.as_u16(), 429 | 503) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        // The layer that knows the request finds the problem here and writes the body again.
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_the_parameter_and_leaves_out_what_it_does_not_know() {
        let problem = Problem::parameter("end", "range_order", "must be after start");
        assert_eq!(
            serde_json::to_value(problem.body()).unwrap(),
            serde_json::json!({
                "type": "https://footfall.dev/problems/invalid-parameter",
                "title": "Invalid parameter",
                "status": 400,
                "detail": "end: must be after start",
                "errors": [{"parameter": "end", "code": "range_order", "detail": "must be after start"}],
            })
        );
    }

    #[test]
    fn what_is_away_can_be_asked_again() {
        let response = Problem::away(Component::Redis).into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
        assert!(response.headers().contains_key(header::RETRY_AFTER));
    }
}
