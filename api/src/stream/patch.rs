//! Merge patches (RFC 7396): the difference of two JSON states.

use serde_json::{Map, Value};

/// What turns `old` into `new`; `None` when nothing is different. A member that is null is the same as none.
#[must_use]
pub fn diff(old: &Value, new: &Value) -> Option<Value> {
    let (Value::Object(before), Value::Object(after)) = (old, new) else {
        return (old != new).then(|| new.clone());
    };
    let mut patch = Map::new();
    for (name, value) in after {
        match before.get(name) {
            None | Some(Value::Null) if value.is_null() => {}
            None => {
                patch.insert(name.clone(), value.clone());
            }
            Some(known) => {
                if let Some(change) = diff(known, value) {
                    patch.insert(name.clone(), change);
                }
            }
        }
    }
    let is_gone = |name: &&String| !before[*name].is_null() && !after.contains_key(*name);
    for name in before.keys().filter(is_gone) {
        patch.insert(name.clone(), Value::Null);
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// What turns any state into `new`, when the names in `known` are all that the members of `of` may have: those that `new`
/// does not have are taken away.
#[must_use]
pub fn complete<'a>(new: &Value, of: &str, known: impl Iterator<Item = &'a str>) -> Value {
    let mut patch = new.clone();
    if let Some(members) = patch.get_mut(of).and_then(Value::as_object_mut) {
        for name in known {
            members.entry(name).or_insert(Value::Null);
        }
    }
    patch
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// The algorithm of RFC 7396, section 2.
    fn apply(target: &mut Value, patch: &Value) {
        let Value::Object(members) = patch else {
            *target = patch.clone();
            return;
        };
        if !target.is_object() {
            *target = json!({});
        }
        for (name, value) in members {
            if value.is_null() {
                target.as_object_mut().unwrap().remove(name);
            } else {
                apply(
                    target
                        .as_object_mut()
                        .unwrap()
                        .entry(name)
                        .or_insert(Value::Null),
                    value,
                );
            }
        }
    }

    fn without_nulls(value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                let kept = members.iter().filter(|(_, value)| !value.is_null());
                Value::Object(
                    kept.map(|(name, value)| (name.clone(), without_nulls(value)))
                        .collect(),
                )
            }
            other => other.clone(),
        }
    }

    fn state() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..4).prop_map(Value::from),
            "[ab]".prop_map(Value::from),
            prop::collection::vec(0..3, 0..3).prop_map(Value::from),
        ];
        let object = leaf.prop_recursive(3, 20, 4, |inner| {
            prop::collection::hash_map("[abc]", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect()))
        });
        prop::collection::hash_map("[abc]", object, 0..4)
            .prop_map(|members| Value::Object(members.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn applying_the_difference_gives_the_new_state(old in state(), new in state()) {
            let mut found = without_nulls(&old);
            match diff(&old, &new) {
                Some(patch) => apply(&mut found, &patch),
                None => prop_assert_eq!(without_nulls(&old), without_nulls(&new)),
            }
            prop_assert_eq!(without_nulls(&found), without_nulls(&new));
        }
    }

    #[test]
    fn only_what_changed_is_said() {
        let old = json!({"on_site": 837, "zones": {"lib": {"n": 388, "name": "Library"}, "cafe": {"n": 1}}});
        let new = json!({"on_site": 838, "zones": {"lib": {"n": 389, "name": "Library"}}});
        assert_eq!(
            diff(&old, &new),
            Some(json!({"on_site": 838, "zones": {"lib": {"n": 389}, "cafe": null}}))
        );
        assert_eq!(diff(&new, &new), None);
    }

    #[test]
    fn a_complete_patch_takes_away_what_is_not_there() {
        let new = json!({"silent_sensors": {"a": {"silent_s": 9}}});
        let patch = complete(&new, "silent_sensors", ["a", "b"].into_iter());
        assert_eq!(
            patch,
            json!({"silent_sensors": {"a": {"silent_s": 9}, "b": null}})
        );
    }
}
