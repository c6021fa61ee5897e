//! Any text as a route table: it is refused with a line that exists, or it routes as it reads.

use crate::route::{Route, RouteTable, RoutesError, TopicFilter};

/// See the module.
pub fn routes(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let lines = 1 + text.bytes().filter(|&byte| byte == b'\n').count();
    match RouteTable::parse("routes.toml", text, true) {
        Ok(table) => check(&table),
        Err(RoutesError::Syntax { line, .. } | RoutesError::Field { line, .. }) => {
            assert!((1..=lines).contains(&line), "line {line} of {lines}");
        }
        Err(RoutesError::Unreadable { .. }) => unreachable!("no file is read"),
    }
}

fn check(table: &RouteTable) {
    assert_eq!(table.routes.last(), Some(&Route::native()));
    for route in &table.routes {
        let filter = route.filter.to_string();
        let read = TopicFilter::parse(&filter).expect("a filter is written as it was read");
        assert_eq!(read, route.filter);
        let topic = topic_of(&filter);
        assert!(route.filter.matches(&topic).is_some(), "{filter} {topic}");
        check_first_wins(table, &topic);
    }
    check_first_wins(table, "footfall/main/ent-1/positions");
    check_first_wins(table, "$SYS/broker");
}

/// A topic that `filter` takes: its own text, with something in place of each wildcard.
fn topic_of(filter: &str) -> String {
    let levels = filter.split('/').map(|level| match level {
        "+" | "{site}" | "{device}" | "{kind}" => "x",
        "#" => "y/z",
        literal => literal,
    });
    levels.collect::<Vec<_>>().join("/")
}

fn check_first_wins(table: &RouteTable, topic: &str) {
    let first = table
        .routes
        .iter()
        .find(|route| route.filter.matches(topic).is_some());
    let found = table.find(topic);
    assert_eq!(found.map(|found| found.route), first, "{topic}");
    if let Some(found) = found {
        let names = found.route.filter.matches(topic);
        let names = names.expect("a route that was found matches");
        let kind = found.route.kind.as_deref().or(names.kind);
        assert_eq!(Some(found.kind), kind, "the operator knows better");
        let device = found.route.device.as_deref().or(names.device);
        assert_eq!(found.device, device, "the operator knows better");
    }
}
