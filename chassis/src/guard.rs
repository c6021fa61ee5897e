//! Runs pure code on foreign bytes so that a bug in it costs one message, not the process.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What `run` returns. It must leave nothing behind that a panic could have left half done, or its caller must put that right.
///
/// # Errors
/// The text of the panic.
pub fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| panic_text(panic.as_ref()))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_by_its_text() {
        assert_eq!(guarded(|| 7), Ok(7));
        let told = |run: fn()| guarded(run).unwrap_err();
        assert_eq!(told(|| panic!("seven")), "seven");
        assert_eq!(told(|| panic!("{} of {}", 7, 8)), "7 of 8");
        assert_eq!(told(|| std::panic::panic_any(7)), "a panic without a text");
    }
}
