//! What a picture will have drawn once it is decoded, told by its structure alone. A few bytes can say that they are a billion
//! pixels, an animation of thousands of frames, or a photo that is drawn over again a thousand times.

/// Pixels of the picture, and of all that is drawn in turn: each frame, and each scan of a JPEG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    pub pixels: u64,
    pub drawn: u64,
}

/// `None` where it is no PNG, JPEG, GIF or WebP, or one that says two things of how large it is. What is cut off counts as far as it
/// goes: a decoder has no more of it either.
pub fn cost(bytes: &[u8]) -> Option<Cost> {
    let cost = match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', rest @ ..] => png(rest),
        [0xff, 0xd8, rest @ ..] => jpeg(rest),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', rest @ ..] => gif(rest),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', rest @ ..] => webp(rest),
        _ => None,
    };
    cost.filter(|cost| cost.pixels > 0)
}

/// Chunks, the first of which says how large it is; of an animation (APNG) one for each frame does.
fn png(mut rest: &[u8]) -> Option<Cost> {
    let mut cost: Option<Cost> = None;
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let Some((kind, after)) = after.split_first_chunk::<4>() else { break };
        let length = u32::from_be_bytes(*length) as usize;
        let data = &after[..length.min(after.len())];
        match (kind, &mut cost) {
            (b"IHDR", None) => {
                let pixels = area(wide(data, 0)?, wide(data, 4)?);
                cost = Some(Cost { pixels, drawn: pixels });
            }
            (b"IHDR", Some(_)) | (_, None) => return None,
            (b"fcTL", Some(cost)) => cost.draw(area(wide(data, 4)?, wide(data, 8)?))?,
            (b"IEND", _) => break,
            _ => {}
        }
        // Behind the data its checksum.
        rest = after.get(length.saturating_add(4)..).unwrap_or_default();
    }
    cost
}

/// Segments, one of which says how large it is; between them what is drawn, scan by scan.
fn jpeg(mut rest: &[u8]) -> Option<Cost> {
    let (mut pixels, mut scans) = (None, 0);
    while let Some(marker) = rest.iter().position(|byte| *byte == 0xff) {
        rest = &rest[marker + 1..];
        match *rest {
            // Filled up with, part of what is drawn, or a mark in it.
            [] => break,
            [0xff, ..] => continue,
            [0 | 1 | 0xd0..=0xd8, ..] => {}
            [0xd9, ..] => break,
            [kind, ref segment @ ..] => {
                if matches!(kind, 0xc0..=0xcf) && !matches!(kind, 0xc4 | 0xc8 | 0xcc) {
                    let size = area(narrow(segment, 3)?, narrow(segment, 5)?);
                    if pixels.replace(size).is_some() {
                        return None;
                    }
                }
                scans += u64::from(kind == 0xda);
                let Some(length) = narrow(segment, 0) else { break };
                rest = segment.get(length as usize..).unwrap_or_default();
                continue;
            }
        }
        rest = &rest[1..];
    }
    let pixels = pixels?;
    Some(Cost { pixels, drawn: pixels.saturating_mul(scans.max(1)) })
}

/// A screen, and frames that may go beyond it: then it is larger.
fn gif(bytes: &[u8]) -> Option<Cost> {
    let short = |at: usize| Some(u64::from(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?)));
    let (mut width, mut height, mut frames) = (short(0)?, short(2)?, 0u64);
    let mut at = 7 + table(*bytes.get(4)?);
    while let Some(kind) = bytes.get(at) {
        match kind {
            0x21 => at += 2,
            0x2c => {
                let Some(flags) = bytes.get(at + 9) else { break };
                width = width.max(short(at + 1)? + short(at + 5)?);
                height = height.max(short(at + 3)? + short(at + 7)?);
                frames += 1;
                at += 11 + table(*flags);
            }
            _ => break,
        }
        // Blocks of up to 255 bytes, and an empty one.
        while let Some(length) = bytes.get(at).filter(|length| **length > 0) {
            at += 1 + usize::from(*length);
        }
        at += 1;
    }
    let pixels = area(width, height);
    Some(Cost { pixels, drawn: pixels.saturating_mul(frames.max(1)) })
}

/// Bytes of a table of colours, if there is one.
fn table(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// Chunks: one says how large all is, and each picture and frame how large it is itself.
fn webp(mut rest: &[u8]) -> Option<Cost> {
    let mut cost: Option<Cost> = None;
    while let Some((kind, after)) = rest.split_first_chunk::<4>() {
        let Some((length, after)) = after.split_first_chunk::<4>() else { break };
        let length = u32::from_le_bytes(*length) as usize;
        let data = &after[..length.min(after.len())];
        rest = after.get(length.saturating_add(length & 1)..).unwrap_or_default();
        let three = |at: usize| {
            let [low, middle, high] = *data.get(at..)?.first_chunk()?;
            Some(u64::from(u32::from_le_bytes([low, middle, high, 0])))
        };
        let pixels = match kind {
            b"VP8X" => area(three(4)? + 1, three(7)? + 1),
            b"ANMF" => area(three(6)? + 1, three(9)? + 1),
            b"VP8 " => area(three(6)? & 0x3fff, (three(7)? >> 8) & 0x3fff),
            b"VP8L" => {
                let packed = u32::from_le_bytes(*data.get(1..)?.first_chunk()?);
                area(u64::from(packed & 0x3fff) + 1, u64::from((packed >> 14) & 0x3fff) + 1)
            }
            _ => continue,
        };
        let all = cost.get_or_insert(Cost { pixels, drawn: 0 });
        if kind != b"VP8X" {
            all.draw(pixels)?;
        }
    }
    cost
}

impl Cost {
    /// A part of it, of which none is larger than the whole; but each may be put together with the whole of what was drawn before.
    fn draw(&mut self, part: u64) -> Option<()> {
        self.drawn = self.drawn.saturating_add(self.pixels);
        (part <= self.pixels).then_some(())
    }
}

fn area(width: u64, height: u64) -> u64 {
    width.saturating_mul(height)
}

fn wide(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?)))
}

fn narrow(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32, frames: &[(u32, u32)]) -> Vec<u8> {
        let chunk = |kind: &[u8; 4], data: &[u8]| {
            [&(data.len() as u32).to_be_bytes(), kind.as_slice(), data, &[0; 4]].concat()
        };
        let size = |width: u32, height: u32| [width.to_be_bytes(), height.to_be_bytes()].concat();
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        bytes.extend(chunk(b"IHDR", &[size(width, height).as_slice(), &[8, 6, 0, 0, 0]].concat()));
        for (width, height) in frames {
            bytes.extend(chunk(b"fcTL", &[&[0; 4], size(*width, *height).as_slice(), &[0; 14]].concat()));
            bytes.extend(chunk(b"fdAT", &[0; 9]));
        }
        bytes.extend(chunk(b"IEND", &[]));
        bytes
    }

    fn jpeg(sizes: &[(u16, u16)], scans: usize) -> Vec<u8> {
        let mut bytes = vec![0xff, 0xd8];
        // A small picture inside of a segment is none of its own.
        bytes.extend([0xff, 0xe1, 0, 8, 0xff, 0xd8, 0xff, 0xc0, 0xff, 0xd9]);
        for (width, height) in sizes {
            bytes.extend([0xff, 0xc2, 0, 11, 8]);
            bytes.extend([height.to_be_bytes(), width.to_be_bytes()].concat());
            bytes.extend([1, 1, 0x11, 0]);
        }
        for _ in 0..scans {
            bytes.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0]);
            bytes.extend([7, 0xff, 0, 0xff, 0xd0, 7]);
        }
        bytes.extend([0xff, 0xd9]);
        bytes
    }

    fn gif(screen: (u16, u16), frames: &[(u16, u16, u16, u16)]) -> Vec<u8> {
        let mut bytes = b"GIF89a".to_vec();
        bytes.extend([screen.0.to_le_bytes(), screen.1.to_le_bytes()].concat());
        bytes.extend([0x81, 0, 0]);
        bytes.extend([0; 12]);
        for (left, top, width, height) in frames {
            bytes.extend([0x21, 0xf9, 4, 0, 0, 0, 0, 0, 0x2c]);
            bytes.extend([left, top, width, height].map(|number| number.to_le_bytes()).concat());
            bytes.extend([0x80, 0, 0, 0, 0, 0, 0, 2, 2, 0x4c, 1, 0]);
        }
        bytes.push(0x3b);
        bytes
    }

    fn webp(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
        let mut bytes = b"RIFF\0\0\0\0WEBP".to_vec();
        for (kind, data) in chunks {
            bytes.extend([kind.as_slice(), &(data.len() as u32).to_le_bytes(), data].concat());
            bytes.extend(vec![0; data.len() % 2]);
        }
        bytes
    }

    /// A width and a height, less one, in three bytes each.
    fn canvas(width: u32, height: u32) -> Vec<u8> {
        [width, height].map(|number| (number - 1).to_le_bytes()[..3].to_vec()).concat()
    }

    fn told(bytes: &[u8]) -> Option<(u64, u64)> {
        cost(bytes).map(|cost| (cost.pixels, cost.drawn))
    }

    #[test]
    fn ordinary_pictures_cost_what_they_show() {
        assert_eq!(told(&png(1000, 500, &[])), Some((500_000, 500_000)));
        assert_eq!(told(&png(10, 10, &[(10, 10), (3, 3)])), Some((100, 300)));
        assert_eq!(told(&jpeg(&[(600, 400)], 1)), Some((240_000, 240_000)));
        assert_eq!(told(&jpeg(&[(600, 400)], 10)), Some((240_000, 2_400_000)));
        assert_eq!(told(&gif((20, 10), &[(0, 0, 20, 10), (5, 5, 2, 2)])), Some((200, 400)));
        let still =
            webp(&[(b"VP8 ", [&[0, 0, 0, 0x9d, 1, 0x2a], [100, 0, 50, 0].as_slice(), &[0]].concat())]);
        assert_eq!(told(&still), Some((5000, 5000)));
        let packed: u32 = (100 - 1) | ((50 - 1) << 14);
        let lossless = webp(&[(b"VP8L", [&[0x2f], packed.to_le_bytes().as_slice()].concat())]);
        assert_eq!(told(&lossless), Some((5000, 5000)));
        let frame = || (b"ANMF", [vec![0; 6], canvas(100, 50), vec![0; 4]].concat());
        let moving =
            webp(&[(b"VP8X", [vec![2, 0, 0, 0], canvas(100, 50)].concat()), frame(), frame(), frame()]);
        assert_eq!(told(&moving), Some((5000, 15_000)));
    }

    #[test]
    fn a_few_bytes_cannot_hide_what_they_unpack_to() {
        let bombs = [
            png(60_000, 60_000, &[]),
            png(8_000, 8_000, &vec![(8_000, 8_000); 2_000]),
            jpeg(&[(65_535, 65_535)], 1),
            jpeg(&[(8_000, 8_000)], 500),
            gif((1, 1), &[(0, 0, 65_535, 65_535)]),
            gif((1, 1), &[(65_535, 65_535, 1, 1)]),
            gif((4_000, 4_000), &vec![(0, 0, 1, 1); 1_000]),
            webp(&[(b"VP8X", [vec![2, 0, 0, 0], canvas(1 << 24, 1 << 24)].concat())]),
        ];
        for (number, bomb) in bombs.iter().enumerate() {
            let told = cost(bomb).unwrap_or_else(|| panic!("{number} is no picture"));
            let most = told.drawn.max(told.pixels);
            assert!(bomb.len() < 200_000 && most > 3_000_000_000, "{number}: {told:?}");
        }
    }

    #[test]
    fn what_says_two_things_of_its_size_is_no_picture() {
        let twice = [png(1, 1, &[]), png(9_000, 9_000, &[])[8..].to_vec()].concat();
        // Behind the end nobody reads on.
        assert_eq!(told(&twice), Some((1, 1)));
        let mut headers = png(1, 1, &[])[..33].to_vec();
        headers.extend(&png(9_000, 9_000, &[])[8..]);
        let canvas = (b"VP8X", [vec![0; 4], canvas(1, 1)].concat());
        let beyond = (b"VP8L", [&[0x2f], u32::MAX.to_le_bytes().as_slice()].concat());
        for bytes in [
            headers,
            png(10, 10, &[(11, 10)]),
            jpeg(&[(1, 1), (9_000, 9_000)], 1),
            webp(&[canvas, beyond]),
            png(0, 10, &[]),
            jpeg(&[], 1),
            b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(),
            b"BM".to_vec(),
            Vec::new(),
        ] {
            assert_eq!(cost(&bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn wherever_a_picture_ends_it_is_read_without_harm() {
        let whole = [
            png(10, 10, &[(10, 10)]),
            jpeg(&[(10, 10)], 3),
            gif((10, 10), &[(0, 0, 10, 10)]),
            webp(&[(b"VP8X", [vec![0; 4], canvas(10, 10)].concat()), (b"ANMF", vec![0; 16])]),
        ];
        for bytes in whole {
            let all = cost(&bytes).unwrap();
            for end in 0..bytes.len() {
                let part = cost(&bytes[..end]);
                assert!(
                    part.is_none_or(|part| part.pixels <= all.pixels && part.drawn <= all.drawn),
                    "{end}"
                );
            }
        }
    }
}
