//! What the roles have logged since a repetition began, also where a log was rotated or a role has left the site meanwhile.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::site::Site;

/// Where a log ended: which file it was, and how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mark {
    inode: u64,
    length: u64,
}

/// Where each role's log ended when the repetition began.
#[derive(Debug)]
pub(crate) struct LogMarks(Vec<(String, Mark)>);

impl LogMarks {
    pub(crate) fn new(site: &Site) -> Self {
        let mark = |name: String| {
            let mark = Mark::of(&site.log(&name));
            (name, mark)
        };
        Self(site.logged_names().into_iter().map(mark).collect())
    }

    /// What each role has logged since, those that have left the site again too.
    pub(crate) fn since(&self, site: &Site) -> Vec<(String, String)> {
        let names = site.logged_names().into_iter();
        names
            .map(|name| {
                let known = self.0.iter().find(|(known, _)| *known == name);
                let mark = known.map_or_else(Mark::default, |(_, mark)| *mark);
                let text = mark.read(&site.log(&name));
                (name, text)
            })
            .collect()
    }
}

impl Mark {
    fn of(path: &Path) -> Self {
        fs::metadata(path).map_or_else(
            |_| Self::default(),
            |file| Self {
                inode: file.ino(),
                length: file.len(),
            },
        )
    }

    /// What was written behind the mark. A log that is too long moves aside when its role starts: then the rest of the old one
    /// counts, and all of the new one.
    fn read(self, path: &Path) -> String {
        let now = Self::of(path);
        if now.inode == self.inode && now.length >= self.length {
            return read_from(path, self.length);
        }
        let aside = path.with_extension("log.1");
        let rest = if Self::of(&aside).inode == self.inode {
            read_from(&aside, self.length)
        } else {
            String::new()
        };
        rest + &read_from(path, 0)
    }
}

/// A log that cannot be read has nothing to say.
fn read_from(path: &Path, offset: u64) -> String {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(offset))?;
        file.read_to_end(&mut text)
    });
    read.map_or_else(
        |_| String::new(),
        |_| String::from_utf8_lossy(&text).into_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_from_its_mark_and_a_rotated_one_from_its_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("consumer-0.log");
        fs::write(&path, "before\n").unwrap();
        let mark = Mark::of(&path);
        fs::write(&path, "before\nafter\n").unwrap();
        assert_eq!(mark.read(&path), "after\n");
        fs::rename(&path, path.with_extension("log.1")).unwrap();
        fs::write(&path, "a new file, longer than the mark\n").unwrap();
        let both = "after\na new file, longer than the mark\n";
        assert_eq!(mark.read(&path), both);
        fs::remove_file(path.with_extension("log.1")).unwrap();
        fs::write(&path, "new\n").unwrap();
        assert_eq!(mark.read(&path), "new\n", "shorter than the mark");
    }
}
