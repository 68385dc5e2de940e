//! The entries (FDEs) of a CFI section, one at a time.
//!
//! An entry names its CIE, which may stand far before it: a linker writes a CIE once and everything that uses it behind it. So that
//! no more than these two need be in memory, they are copied into a section of their own, the CIE first, which gimli reads.

use crate::cfi::Cfi;
use crate::error::{Error, Result};
use crate::table::Arch;
use crate::translate::Bytes;
use crate::window::{Deadline, Window};
use gimli::{BaseAddresses, DebugFrame, EhFrame, FrameDescriptionEntry, LittleEndian, UnwindSection, Vendor};
use std::collections::HashMap;

/// `.eh_frame` or `.debug_frame`: they differ in how an entry names its CIE.
pub trait Kind {
    type Section<'b>: UnwindSection<Bytes<'b>>;
    const EH: bool;
    fn section(bytes: &[u8], vendor: Vendor) -> Self::Section<'_>;
}

pub struct Eh;
pub struct Debug;

impl Kind for Eh {
    type Section<'b> = EhFrame<Bytes<'b>>;
    const EH: bool = true;

    fn section(bytes: &[u8], vendor: Vendor) -> EhFrame<Bytes<'_>> {
        let mut section = EhFrame::new(bytes, LittleEndian);
        section.set_address_size(8);
        section.set_vendor(vendor);
        section
    }
}

impl Kind for Debug {
    type Section<'b> = DebugFrame<Bytes<'b>>;
    const EH: bool = false;

    fn section(bytes: &[u8], vendor: Vendor) -> DebugFrame<Bytes<'_>> {
        let mut section = DebugFrame::new(bytes, LittleEndian);
        section.set_address_size(8);
        section.set_vendor(vendor);
        section
    }
}

/// An entry as gimli has it. Addresses in it are those of the file.
pub struct Entry<'b, K: Kind> {
    pub section: K::Section<'b>,
    pub bases: BaseAddresses,
    pub fde: FrameDescriptionEntry<Bytes<'b>>,
}

/// CIEs that are kept, and how long each may be; real ones have about 20 bytes.
const MAX_KEPT: usize = 256;
const MAX_KEPT_BYTES: usize = 1024;

pub struct Entries<'a, K> {
    cfi: Cfi<'a>,
    /// Addresses of other sections, to which a pointer may be relative
    bases: BaseAddresses,
    vendor: Vendor,
    deadline: Deadline,
    /// A CIE and behind it an entry that uses it
    pair: Vec<u8>,
    /// Offset in the section of the CIE in `pair`, and its length
    cie: Option<(u64, usize)>,
    /// CIEs by their offsets. Neighbours alternate between a few (with and without exceptions), far away from both.
    cies: HashMap<u64, Box<[u8]>>,
    /// Bytes that an entry or a CIE may have
    longest: u64,
    kind: std::marker::PhantomData<K>,
}

/// Where a walk over all entries is.
#[derive(Default)]
pub struct Cursor {
    at: u64,
    /// A length could not be trusted, which lost the rest of the section.
    pub broken: bool,
}

/// Where the parts of an entry or a CIE are: the word that tells one from the other, and the end.
struct Extent {
    id_at: u64,
    end: u64,
    wide: bool,
}

impl<'a, K: Kind> Entries<'a, K> {
    pub fn new(cfi: Cfi<'a>, bases: BaseAddresses, arch: Arch, deadline: Deadline) -> Self {
        let vendor = match arch {
            Arch::X86_64 => Vendor::Default,
            Arch::Arm64 => Vendor::AArch64,
        };
        Entries { cfi, bases, vendor, deadline, pair: Vec::new(), cie: None, cies: HashMap::new(), longest: u64::MAX, kind: std::marker::PhantomData }
    }

    /// Passes by what is longer.
    pub fn up_to(mut self, longest: u64) -> Self {
        self.longest = longest;
        self
    }

    /// The offset of the next entry that is not a CIE.
    pub fn next(&mut self, cursor: &mut Cursor) -> Result<Option<u32>> {
        if let Some(listed) = &self.cfi.listed {
            let next = listed.get(cursor.at as usize).copied();
            cursor.at += 1;
            return Ok(next);
        }
        let window = &mut self.cfi.window;
        while cursor.at < window.size() {
            let at = cursor.at;
            // A length of zero ends what one object file brought; the linker may have put more behind it.
            if window.u32(at)? == Some(0) {
                cursor.at += 4;
                continue;
            }
            let Some(extent) = extent(window, at)? else {
                cursor.broken = true;
                return Ok(None);
            };
            cursor.at = extent.end;
            if cie_of::<K>(window, &extent)?.is_some() {
                let offset = u32::try_from(at).map_err(|_| Error::TooLarge { what: "offset in CFI", found: at, limit: u32::MAX.into() })?;
                return Ok(Some(offset));
            }
        }
        Ok(None)
    }

    /// The entry at an offset, None where there is no sense in it.
    pub fn entry(&mut self, offset: u32) -> Result<Option<Entry<'_, K>>> {
        let window = &mut self.cfi.window;
        let at = u64::from(offset);
        let Some(extent) = extent(window, at)?.filter(|extent| extent.end - at <= self.longest) else { return Ok(None) };
        let Some(cie_at) = cie_of::<K>(window, &extent)? else { return Ok(None) };
        if self.cie.is_none_or(|(known, _)| known != cie_at) {
            self.cie = None;
            self.pair.clear();
            if let Some(bytes) = self.cies.get(&cie_at) {
                self.pair.extend_from_slice(bytes);
            } else {
                self.deadline.check()?;
                let Some(cie) = self::extent(window, cie_at)?.filter(|cie| cie.end - cie_at <= self.longest) else { return Ok(None) };
                let Some(bytes) = window.get(cie_at, cie.end - cie_at)? else { return Ok(None) };
                self.pair.extend_from_slice(bytes);
                if bytes.len() <= MAX_KEPT_BYTES {
                    if self.cies.len() == MAX_KEPT {
                        self.cies.clear();
                    }
                    self.cies.insert(cie_at, bytes.into());
                }
            }
            self.cie = Some((cie_at, self.pair.len()));
        }
        let cie_length = self.cie.map_or(0, |(_, length)| length);
        let Some(bytes) = window.get(at, extent.end - at)? else { return Ok(None) };
        self.pair.truncate(cie_length);
        self.pair.extend_from_slice(bytes);
        let id_at = cie_length + (extent.id_at - at) as usize;
        match (K::EH, extent.wide) {
            // The distance back to the CIE
            (true, _) => self.pair[id_at..id_at + 4].copy_from_slice(&(id_at as u32).to_le_bytes()),
            // Its offset
            (false, false) => self.pair[id_at..id_at + 4].fill(0),
            (false, true) => self.pair[id_at..id_at + 8].fill(0),
        }
        let moved = at.wrapping_sub(cie_length as u64);
        let bases = self.bases.clone().set_eh_frame(self.cfi.address.wrapping_add(moved));
        let section = K::section(&self.pair, self.vendor);
        let fde = section.fde_from_offset(&bases, cie_length.into(), |section, bases, at| section.cie_from_offset(bases, at));
        Ok(fde.ok().map(|fde| Entry { section, bases, fde }))
    }
}

fn extent(window: &mut Window, at: u64) -> Result<Option<Extent>> {
    let Some(short) = window.u32(at)? else { return Ok(None) };
    let wide = short == u32::MAX;
    let (id_at, length) = if wide { (at + 12, window.u64(at + 4)?.unwrap_or(u64::MAX)) } else { (at + 4, u64::from(short)) };
    let end = id_at.checked_add(length).filter(|&end| end <= window.size());
    Ok(end.map(|end| Extent { id_at, end, wide }))
}

/// The offset of the CIE that an entry names; None for a CIE, and for what names nothing.
fn cie_of<K: Kind>(window: &mut Window, extent: &Extent) -> Result<Option<u64>> {
    let Extent { id_at, end, wide } = *extent;
    let bytes = if wide && !K::EH { 8 } else { 4 };
    if end - id_at < bytes {
        return Ok(None);
    }
    Ok(match (K::EH, wide) {
        (true, _) => window.u32(id_at)?.filter(|&back| back != 0).and_then(|back| id_at.checked_sub(back.into())),
        (false, false) => window.u32(id_at)?.filter(|&at| at != u32::MAX).map(u64::from),
        (false, true) => window.u64(id_at)?.filter(|&at| at != u64::MAX),
    })
}
