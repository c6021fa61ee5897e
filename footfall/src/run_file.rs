//! `run.json`: where everything of a running `footfall up` is. Scripts on this machine read it, so its names are a contract;
//! fields may be added, none renamed.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use stack::{Folder, Identity};

/// The file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunFile {
    /// The dashboard and the REST API of the first api.
    pub(crate) http: String,
    /// Where devices of the first gateway connect, plain MQTT.
    pub(crate) mqtt: String,
    /// The same with TLS, once there are certificates.
    pub(crate) mqtts: Option<String>,
    /// The MQTT broker that a gateway in bridge mode subscribes to.
    pub(crate) broker: Option<String>,
    /// Bootstrap servers.
    pub(crate) kafka: String,
    /// URL, password included: this file is readable by its owner only.
    pub(crate) postgres: String,
    /// URL.
    pub(crate) redis: String,
    /// Admin server of each role.
    pub(crate) admin: BTreeMap<String, String>,
    /// Pid of each child that runs now.
    pub(crate) pids: BTreeMap<String, u32>,
    /// Every api, the first included.
    pub(crate) http_all: Vec<String>,
    /// Every gateway, the first included.
    pub(crate) mqtt_all: Vec<String>,
    /// The `footfall up` itself, which `footfall down` ends.
    pub(crate) supervisor: Identity,
}

impl RunFile {
    /// Writes the file in one step.
    pub(crate) fn write(&self, folder: &Folder) -> anyhow::Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        stack::folder::write_private(&folder.run_json(), &text)?;
        Ok(())
    }

    /// Reads the file; `None` when there is none.
    pub(crate) fn read(folder: &Folder) -> anyhow::Result<Option<Self>> {
        let path = folder.run_json();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        };
        let file =
            serde_json::from_slice(&text).with_context(|| format!("reading {}", path.display()))?;
        Ok(Some(file))
    }

    /// Removes the file: nothing runs any more.
    pub(crate) fn remove(folder: &Folder) -> anyhow::Result<()> {
        let path = folder.run_json();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing {}", path.display()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_the_names_that_scripts_rely_on() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::at(temp.path()).unwrap();
        assert_eq!(RunFile::read(&folder).unwrap(), None);
        let file = RunFile {
            http: "http://127.0.0.1:8080".to_owned(),
            mqtt: "127.0.0.1:1883".to_owned(),
            mqtts: None,
            broker: None,
            kafka: "127.0.0.1:19092".to_owned(),
            postgres: "postgres://footfall:x@127.0.0.1:15432/footfall".to_owned(),
            redis: "redis://127.0.0.1:16379".to_owned(),
            admin: BTreeMap::from([("gateway-0".to_owned(), "http://127.0.0.1:9101".to_owned())]),
            pids: BTreeMap::from([("kafka".to_owned(), 1)]),
            http_all: vec!["http://127.0.0.1:8080".to_owned()],
            mqtt_all: vec!["127.0.0.1:1883".to_owned()],
            supervisor: Identity::of(std::process::id()).unwrap(),
        };
        file.write(&folder).unwrap();
        let value: serde_json::Value =
            serde_json::from_slice(&fs::read(folder.run_json()).unwrap()).unwrap();
        let names = [
            "http", "mqtt", "mqtts", "broker", "kafka", "postgres", "redis", "admin", "pids",
        ];
        for name in names {
            assert!(value.get(name).is_some(), "{name} is missing");
        }
        assert!(value["mqtts"].is_null() && value["pids"]["kafka"] == 1);
        assert_eq!(RunFile::read(&folder).unwrap(), Some(file));
        RunFile::remove(&folder).unwrap();
        RunFile::remove(&folder).unwrap();
        assert_eq!(RunFile::read(&folder).unwrap(), None);
    }
}
