//! The icon in the tray, plain and with the mark of what nobody has read.

/// A picture, four bytes a pixel: red, green, blue, opacity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub rgba: Vec<u8>,
    pub width: u32,
    pub height: u32,
}

/// The same picture with a dot at the bottom right.
pub fn marked(plain: &Picture) -> Picture {
    let mut marked = plain.clone();
    let size = f64::from(plain.width.min(plain.height));
    let (radius, ring) = (size * 0.26, size * 0.07);
    let (middle_x, middle_y) =
        (f64::from(plain.width) - radius - ring, f64::from(plain.height) - radius - ring);
    let pixels = marked.rgba.chunks_exact_mut(4);
    for ((x, y), pixel) in places(plain.width).zip(pixels) {
        let distance = (f64::from(x) + 0.5 - middle_x).hypot(f64::from(y) + 0.5 - middle_y);
        // The ring is cut out, so that the dot stands apart whatever the tray is coloured.
        if distance < radius {
            pixel.copy_from_slice(&DOT);
        } else if distance < radius + ring {
            pixel.copy_from_slice(&[0; 4]);
        }
    }
    marked
}

/// As trays on D-Bus want it: opacity first.
#[cfg(target_os = "linux")]
pub fn argb(picture: &Picture) -> Vec<u8> {
    let mut bytes = picture.rgba.clone();
    bytes.chunks_exact_mut(4).for_each(|pixel| pixel.rotate_right(1));
    bytes
}

/// Row by row.
fn places(width: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..).flat_map(move |y| (0..width).map(move |x| (x, y)))
}

/// The colour in which the window marks what is wrong or wanted.
const DOT: [u8; 4] = [0xe5, 0x48, 0x4d, 0xff];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_at_the_bottom_right_and_leaves_the_rest() {
        let plain = Picture { rgba: vec![9; 32 * 32 * 4], width: 32, height: 32 };
        let marked = marked(&plain);
        let pixel = |x: usize, y: usize| &marked.rgba[(y * 32 + x) * 4..][..4];
        assert_eq!(pixel(21, 21), DOT);
        assert_eq!(pixel(0, 0), [9; 4]);
        assert_eq!(pixel(31, 0), [9; 4]);
        assert_eq!(marked.rgba.len(), plain.rgba.len());
        let changed = marked.rgba.chunks(4).filter(|pixel| *pixel != [9; 4]).count();
        assert!((150..400).contains(&changed), "{changed} of 1024 pixels");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn opacity_comes_first_on_d_bus() {
        let picture = Picture { rgba: vec![1, 2, 3, 4, 5, 6, 7, 8], width: 2, height: 1 };
        assert_eq!(argb(&picture), [4, 1, 2, 3, 8, 5, 6, 7]);
    }
}
