//! The resources: one file each, with the request, the response, the OpenAPI attribute and the function, in that order.

pub mod dashboard;
pub mod document;
pub mod overview;
pub mod pipeline;
pub mod sensor;
pub mod series;
pub mod site;
pub mod stream;
pub mod traveler_type;
pub mod visit;
pub mod zone;
