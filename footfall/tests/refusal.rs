//! What `footfall` refuses, in which words and with which status; nothing is started or connected for it.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test may panic like the test itself"
)]

mod command;
use command::{footfall, output, text};

/// Settings that cannot be used, and how that is said.
const WRONG: [(&[&str], &str); 9] = [
    (
        &["gateway", "--kafka", "not a host!!"],
        "--kafka is \"not a host!!\", expected host:port such as",
    ),
    (
        &["consumer", "--kafka", ""],
        "--kafka is \"\", expected host:port such as",
    ),
    (
        &["consumer", "--topic-prefix", "bad prefix/!!"],
        "--topic-prefix is \"bad prefix/!!\", expected at most 200 letters",
    ),
    (
        &["consumer", "--postgres", "nonsense"],
        "--postgres is \"nonsense\", expected a URL such as",
    ),
    (
        &["simulate", "--mqtt", "nonsense"],
        "'nonsense' for '--mqtt <HOST:PORT>': expected host:port such as",
    ),
    (
        &["simulate", "--mqtt", "127.0.0.1:99999"],
        "expected host:port such as 127.0.0.1:1883",
    ),
    (
        &["migrate", "--postgres", "nonsense"],
        "--postgres is \"nonsense\", expected a URL such as",
    ),
    (
        &["api", "--http-bind", "nonsense"],
        "expected an address such as 127.0.0.1:1883, or a port",
    ),
    (
        &["consumer", "--admin-bind", "on"],
        "expected an address such as 127.0.0.1:1883, or a port to listen at on loopback, or off",
    ),
];

#[test]
fn what_cannot_work_is_said_before_anything_starts() {
    let workdir = tempfile::tempdir().unwrap();
    let refused = |args: &[&str], sentence: &str| {
        let output = output(workdir.path(), args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output));
        assert!(
            text(&output).contains(sentence),
            "{args:?}: {}",
            text(&output)
        );
    };
    refused(
        &["up", "--gateways", "many"],
        "invalid value 'many' for '--gateways <N>'",
    );
    refused(
        &["up", "--kafka", "reall"],
        "expected real, mock or bootstrap servers",
    );
    refused(
        &["up", "--partitions", "movements=3"],
        "--partitions is \"movements\", expected the name of a topic",
    );
    for (args, sentence) in WRONG {
        refused(args, sentence);
    }
    refused(&["topics"], "nothing runs in .footfall");
    refused(&["config", "nonsense"], "nonsense is no subcommand");
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    let sentence = format!("is taken by process {}", std::process::id());
    refused(
        &["up", "--mqtt", "127.0.0.1:0", "--http", &address],
        &sentence,
    );
    assert!(
        !workdir.path().join(".footfall/kafka").exists(),
        "something was started"
    );

    let nothing_installed = footfall(
        workdir.path(),
        &[
            "up",
            "--kafka",
            "mock",
            "--http",
            "127.0.0.1:0",
            "--mqtt",
            "127.0.0.1:0",
        ],
    )
    .env("PATH", "/nonexistent")
    .output()
    .unwrap();
    assert_eq!(nothing_installed.status.code(), Some(2));
    assert!(
        text(&nothing_installed).contains("redis-server was not found: install it with `"),
        "{}",
        text(&nothing_installed)
    );
}

#[test]
fn a_folder_of_somebody_else_is_left_as_it_is() {
    let workdir = tempfile::tempdir().unwrap();
    let home = workdir.path().join("home");
    std::fs::create_dir(&home).unwrap();
    std::fs::write(home.join("thesis.txt"), "years of work").unwrap();
    let down = output(workdir.path(), &["down", "--dir", "home"]);
    assert!(
        down.status.success() && text(&down).contains("nothing runs in home"),
        "{}",
        text(&down)
    );
    for fresh in [&[][..], &["--fresh"]] {
        let args = ["up", "--dir", "home", "--http", "127.0.0.1:0"];
        let args = [&args, &["--mqtt", "127.0.0.1:0"][..], fresh].concat();
        let refused = output(workdir.path(), &args);
        assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
        assert!(
            text(&refused).contains("expected a new or empty folder with `--dir`"),
            "{}",
            text(&refused)
        );
    }
    let left: Vec<_> = std::fs::read_dir(&home)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["thesis.txt"]);
}

#[test]
fn the_environment_file_is_read_and_what_is_set_wins() {
    let workdir = tempfile::tempdir().unwrap();
    std::fs::write(
        workdir.path().join(".env"),
        "FOOTFALL_GATEWAYS=3\nFOOTFALL_APIS=2\n",
    )
    .unwrap();
    let shown = footfall(workdir.path(), &["config", "up"])
        .env("FOOTFALL_APIS", "4")
        .output()
        .unwrap();
    let line = |name: &str| {
        text(&shown)
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap()
            .to_owned()
    };
    assert!(
        line("FOOTFALL_GATEWAYS").contains(" 3 ") && line("FOOTFALL_APIS").contains(" 4 "),
        "{}",
        text(&shown)
    );
    assert!(
        line("FOOTFALL_CONSUMERS").contains(" 1 "),
        "{}",
        text(&shown)
    );

    std::fs::write(workdir.path().join(".env"), "FOOTFALL_GATEWAYS=many\n").unwrap();
    let refused = output(workdir.path(), &["config", "up"]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(
        text(&refused).contains("'many' for '--gateways"),
        "{}",
        text(&refused)
    );
}

#[test]
fn the_environment_file_of_a_parent_folder_is_not_ours() {
    let workdir = tempfile::tempdir().unwrap();
    std::fs::write(workdir.path().join(".env"), "FOOTFALL_GATEWAYS=3\n").unwrap();
    let inside = workdir.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    let shown = output(&inside, &["config", "up"]);
    let line = text(&shown);
    let line = line
        .lines()
        .find(|line| line.starts_with("FOOTFALL_GATEWAYS"));
    assert!(line.unwrap().contains(" 1 "), "{}", text(&shown));
}

#[test]
fn config_checks_what_the_roles_would_check_and_keeps_secrets() {
    let workdir = tempfile::tempdir().unwrap();
    let config = |variables: &[(&str, &str)], args: &[&str]| {
        let mut command = footfall(workdir.path(), &["config"]);
        command.args(args).envs(variables.iter().copied());
        command.output().unwrap()
    };
    let wrong = [("FOOTFALL_RECEIVE_MAXIMUM", "0")];
    let refused = config(&wrong, &["gateway"]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(
        text(&refused).contains("--receive-maximum is \"0\", expected 1 to 65535"),
        "{}",
        text(&refused)
    );
    let secrets = [
        ("FOOTFALL_POSTGRES", "postgres://u@h/d?password=sekret"),
        ("FOOTFALL_REDIS", "redis://:sekret@h"),
    ];
    let shown = config(&secrets, &[]);
    assert!(shown.status.success(), "{}", text(&shown));
    assert!(!text(&shown).contains("sekret"), "{}", text(&shown));
    for name in ["FOOTFALL_LOG ", "FOOTFALL_LOG_FORMAT ", "FOOTFALL_FRESH "] {
        assert!(text(&shown).contains(name), "{name} is missing");
    }
    let words = [
        ("FOOTFALL_KAFKA", "mock"),
        ("FOOTFALL_POSTGRES", "real"),
        ("FOOTFALL_REDIS", "real"),
    ];
    let shown = config(&words, &[]);
    assert!(shown.status.success(), "{}", text(&shown));
}

#[test]
fn a_role_names_the_process_that_holds_its_port_and_logs_its_configuration() {
    let workdir = tempfile::tempdir().unwrap();
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    let sentence = format!("is taken by process {}", std::process::id());
    for (role, flag) in [
        ("api", "--http-bind"),
        ("gateway", "--admin-bind"),
        ("consumer", "--admin-bind"),
    ] {
        let refused = footfall(workdir.path(), &[role, flag, &address])
            .env("FOOTFALL_POSTGRES", "postgres://u:sekret@127.0.0.1:1/d")
            .output()
            .unwrap();
        let said = text(&refused);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        let way_out = format!("choose another one with `{flag} PORT`");
        assert!(
            said.contains(&sentence) && said.contains(&way_out),
            "{said}"
        );
        assert!(
            said.contains(&format!("configuration: {role} ")) && !said.contains("sekret"),
            "{said}"
        );
    }
}
