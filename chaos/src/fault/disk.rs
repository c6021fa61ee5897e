//! A disk that can be filled: a small tmpfs, mounted where a server keeps its data.
//!
//! A mount that a server of another account can use needs root. A user namespace of our own would not do: Postgres refuses to
//! run as the root of one, and knows no other account there.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Unavailable, run};

/// Fills the disk. A name that no server uses.
const BALLAST: &str = "ballast";

static BLOCK: [u8; 64 * 1024] = [0; 64 * 1024];

/// A tmpfs in place of a folder, with what was in it. Dropping it puts the folder back as it was before.
#[derive(Debug)]
pub struct SmallDisk {
    dir: PathBuf,
    /// Where the folder's own content waits.
    aside: PathBuf,
}

const WHAT: &str = "putting a folder on a small disk";

impl SmallDisk {
    /// Puts a tmpfs in the place of the folder `dir`, with a copy of what is in it and `spare_mebibytes` more. Nobody may use the
    /// folder now.
    ///
    /// # Errors
    /// [`Unavailable`] without the right to mount.
    pub fn beneath(dir: &Path, spare_mebibytes: u64) -> Result<Self, Unavailable> {
        let io = |error: std::io::Error| Unavailable::new(WHAT, error.to_string());
        let aside = dir.with_added_extension("aside");
        fs::rename(dir, &aside).map_err(io)?;
        // From here on, dropping it repairs what is done.
        let disk = Self {
            dir: dir.to_owned(),
            aside,
        };
        fs::create_dir(dir).map_err(io)?;
        let used = bytes_used(&disk.aside).map_err(io)?;
        let options = format!("size={}", used + spare_mebibytes * 1024 * 1024);
        run(
            WHAT,
            "mount",
            &["-t", "tmpfs", "-o", &options, "tmpfs", &text(dir)],
        )?;
        copy(&disk.aside, dir)?;
        Ok(disk)
    }

    /// Takes the disk away and leaves the folder with what is on it now. Nobody may use the folder meanwhile.
    ///
    /// # Errors
    /// [`Unavailable`] when the copy fails; the folder is as it was before the small disk then.
    pub fn keep(self) -> Result<(), Unavailable> {
        let io = |error: std::io::Error| Unavailable::new(WHAT, error.to_string());
        let kept = self.dir.with_added_extension("kept");
        fs::create_dir(&kept).map_err(io)?;
        copy(&self.dir, &kept)?;
        fs::remove_dir_all(&self.aside).map_err(io)?;
        fs::rename(&kept, &self.aside).map_err(io)
    }

    /// Takes all the space that is left; gives the number of bytes.
    ///
    /// # Errors
    /// When writing fails for another reason than a full disk.
    pub fn fill(&self) -> std::io::Result<u64> {
        let mut ballast = File::create(self.dir.join(BALLAST))?;
        let mut bytes = 0;
        loop {
            match ballast.write(&BLOCK[..]) {
                Ok(written) => bytes += written as u64,
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(bytes),
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives the space back that [`Self::fill`] took.
    ///
    /// # Errors
    /// When the disk was not filled.
    pub fn free(&self) -> std::io::Result<()> {
        fs::remove_file(self.dir.join(BALLAST))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Without a mount there is nothing to unmount, and then the folder is an empty one.
        if let Err(error) = run("unmounting", "umount", &[&text(&self.dir)]) {
            tracing::debug!("{error}");
        }
        let back = fs::remove_dir(&self.dir).and_then(|()| fs::rename(&self.aside, &self.dir));
        if let Err(error) = back {
            tracing::error!("{} could not be put back: {error}", self.dir.display());
        }
    }
}

/// What a folder takes of a disk; files with holes take less than their length.
fn bytes_used(dir: &Path) -> std::io::Result<u64> {
    let mut bytes = fs::metadata(dir)?.blocks() * 512;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() {
            bytes_used(&entry.path())?
        } else {
            entry.metadata()?.blocks() * 512
        };
    }
    Ok(bytes)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Copies the content of a folder with owners and modes, those of the folder itself included.
fn copy(from: &Path, to: &Path) -> Result<(), Unavailable> {
    run(WHAT, "cp", &["-a", &format!("{}/.", text(from)), &text(to)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_takes_nothing_until_it_is_freed_and_what_it_took_can_be_kept() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("disk");
        fs::create_dir(&dir).unwrap();
        let (old, new) = (dir.join("old"), dir.join("new"));
        fs::write(&old, b"old").unwrap();
        fs::write(dir.join("large"), vec![1; 3 << 20]).unwrap();
        for is_kept in [false, true] {
            let disk = match SmallDisk::beneath(&dir, 2) {
                Ok(disk) => disk,
                Err(why) => return eprintln!("SKIPPED: {why}"),
            };
            assert_eq!(fs::read(&old).unwrap(), b"old");
            let taken = disk.fill().unwrap();
            assert!((1 << 20..3 << 20).contains(&taken), "{taken}");
            let error = fs::write(&new, BLOCK).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::StorageFull);
            disk.free().unwrap();
            fs::write(&new, b"new").unwrap();
            if is_kept {
                disk.keep().unwrap();
            } else {
                drop(disk);
            }
            assert_eq!(fs::read(&old).unwrap(), b"old");
            assert_eq!(new.exists(), is_kept);
        }
    }
}
