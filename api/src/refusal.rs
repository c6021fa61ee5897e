//! The problem responses of operations, for their OpenAPI description.

use utoipa::IntoResponses;

use crate::problem::ProblemBody;

/// What every operation may answer instead.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) enum Refusals {
    /// A parameter is wrong; `errors` names it and says what would do.
    #[response(
        status = BAD_REQUEST, content_type = "application/problem+json",
        example = json!({
            "type": "https://footfall.dev/problems/invalid-parameter", "title": "Invalid parameter", "status": 400,
            "detail": "end: is not after start", "instance": "/api/v1/series",
            "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11",
            "errors": [{"parameter": "end", "code": "range_order", "detail": "is not after start"}]
        })
    )]
    BadRequest(ProblemBody),
    /// A mistake of the server; quote the request id.
    #[response(
        status = INTERNAL_SERVER_ERROR, content_type = "application/problem+json",
        example = json!({
            "type": "https://footfall.dev/problems/internal", "title": "Internal error", "status": 500,
            "instance": "/api/v1/series", "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11"
        })
    )]
    Internal(ProblemBody),
    /// Something that the answer needs is away; ask again in a moment.
    #[response(
        status = SERVICE_UNAVAILABLE, content_type = "application/problem+json",
        example = json!({
            "type": "https://footfall.dev/problems/upstream-unavailable", "title": "Upstream unavailable", "status": 503,
            "detail": "postgres does not answer; ask again in a moment", "instance": "/api/v1/series",
            "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11", "component": "postgres"
        })
    )]
    Unavailable(ProblemBody),
}

/// What an operation on one thing may answer instead.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) enum Missing {
    /// There is no such thing.
    #[response(
        status = NOT_FOUND, content_type = "application/problem+json",
        example = json!({
            "type": "https://footfall.dev/problems/not-found", "title": "Not found", "status": 404,
            "detail": "no sensor has the id ent-9", "instance": "/api/v1/sensors/ent-9",
            "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11"
        })
    )]
    NotFound(ProblemBody),
}

/// What an operation that makes points may answer instead.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) enum TooMuch {
    /// The range holds too many points; `suggested_step` would do.
    #[response(
        status = UNPROCESSABLE_ENTITY, content_type = "application/problem+json",
        example = json!({
            "type": "https://footfall.dev/problems/too-many-points", "title": "Too many points", "status": 422,
            "detail": "the range holds 60480 points of 10s, at most 11000 are answered", "instance": "/api/v1/series",
            "request_id": "0193545a-3f6e-7bd1-b1f2-6f4f2d3f0c11", "suggested_step": "1m"
        })
    )]
    TooManyPoints(ProblemBody),
}
