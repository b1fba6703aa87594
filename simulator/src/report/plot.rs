//! One plot as SVG text, drawn by the plotting library.
//!
//! The library knows fixed colors only. It is given colors that stand for an [`Ink`], which are then replaced by CSS
//! variables, so that one picture serves light and dark. A picture is drawn once for narrow and once for wide places,
//! because letters that are scaled with the picture could not be read in both.

use std::ops::Range;

use plotters::coord::ranged1d::{
    KeyPointHint, KeyPointWeight, NoDefaultFormatting, ValueFormatter,
};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::units::Axis;

/// Picture units per CSS pixel: the library draws on whole units.
const SCALE: i32 = 10;

/// What something is drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// Axes and their labels.
    Text,
    /// Lines behind the data.
    Grid,
    /// Actions and milestones on the time line.
    Marker,
    /// Faults on the time line.
    Fault,
    /// Color of an execution status, by its place among all.
    Status(usize),
    /// Color of a series, from 0.
    Series(usize),
    /// The same, as a dashed line.
    Dashed(usize),
    /// The same, as a pale surface.
    Pale(usize),
}

/// Colors of series; more series begin again.
pub(super) const SERIES: usize = 6;

impl Ink {
    /// The color that stands for this ink in what the library draws.
    fn stand_in(self) -> RGBColor {
        let code = match self {
            Self::Text => 0x10,
            Self::Grid => 0x11,
            Self::Marker => 0x12,
            Self::Fault => 0x13,
            Self::Status(index) => 0x20 + index,
            Self::Series(index) => 0x30 + index % SERIES,
            Self::Dashed(index) => 0x40 + index % SERIES,
            Self::Pale(index) => 0x50 + index % SERIES,
        };
        RGBColor(1, 2, u8::try_from(code).unwrap_or(u8::MAX))
    }

    /// The color in CSS.
    pub(super) fn css(self) -> String {
        match self {
            Self::Text => "var(--quiet)".into(),
            Self::Grid => "var(--grid)".into(),
            Self::Marker => "var(--marker)".into(),
            Self::Fault => "var(--bad)".into(),
            Self::Status(index) => format!("var(--status-{index})"),
            Self::Series(index) | Self::Dashed(index) | Self::Pale(index) => {
                format!("var(--series-{})", index % SERIES)
            }
        }
    }

    /// Replaces the stand-in by the color and by what else belongs to this ink.
    fn settle(self, svg: &str) -> String {
        let RGBColor(red, green, blue) = self.stand_in();
        let stand_in = format!("\"#{red:02X}{green:02X}{blue:02X}\"");
        let extra = match self {
            Self::Dashed(_) => " stroke-dasharray=\"60 45\"",
            Self::Marker | Self::Fault => " stroke-dasharray=\"20 20\"",
            Self::Pale(_) => " fill-opacity=\"0.18\" stroke=\"none\"",
            Self::Text | Self::Grid | Self::Status(_) | Self::Series(_) => "",
        };
        svg.replace(&stand_in, &format!("\"{}\"{extra}", self.css()))
    }

    fn all() -> impl Iterator<Item = Self> {
        let series = (0..SERIES).flat_map(|i| [Self::Series(i), Self::Dashed(i), Self::Pale(i)]);
        let statuses = (0..8).map(Self::Status);
        let fixed = [Self::Text, Self::Grid, Self::Marker, Self::Fault];
        fixed.into_iter().chain(statuses).chain(series)
    }
}

/// Something drawn.
#[derive(Clone, Debug)]
pub(super) enum Layer {
    /// A line through points.
    Line(Ink, Vec<(f64, f64)>),
    /// A surface between two lines: points with the lower and the upper value.
    Band(Ink, Vec<(f64, f64, f64)>),
}

/// How much room there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// A phone, or one of many columns.
    Narrow,
    /// More than that.
    Wide,
}

impl Room {
    pub(super) const ALL: [Self; 2] = [Self::Narrow, Self::Wide];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Narrow => "narrow",
            Self::Wide => "wide",
        }
    }

    /// Width and height in CSS pixels, where nothing is scaled.
    fn size(self) -> (i32, i32) {
        match self {
            Self::Narrow => (326, 210),
            Self::Wide => (640, 270),
        }
    }

    fn letters(self) -> i32 {
        match self {
            Self::Narrow => 12,
            Self::Wide => 13,
        }
    }

    /// How many labels fit below.
    pub(super) fn labels_below(self) -> usize {
        match self {
            Self::Narrow => 4,
            Self::Wide => 8,
        }
    }

    /// How many labels fit beside.
    pub(super) fn labels_beside(self) -> usize {
        match self {
            Self::Narrow => 4,
            Self::Wide => 5,
        }
    }

    /// More points than this cannot be told apart.
    pub(super) fn points(self) -> usize {
        match self {
            Self::Narrow => 180,
            Self::Wide => 360,
        }
    }
}

/// A plot, but for its axes.
#[derive(Clone, Debug, Default)]
pub(super) struct Plot {
    /// From the back to the front.
    pub(super) layers: Vec<Layer>,
    /// Moments that are marked, with the number of the mark.
    pub(super) marks: Vec<(f64, usize, bool)>,
}

/// Why a picture could not be drawn: never, unless the library changes.
type Trouble = Box<dyn std::error::Error>;

impl Plot {
    /// The inside of an `svg` element, and its `viewBox`.
    pub(super) fn draw(&self, x: &Axis, y: &Axis, room: Room) -> (String, String) {
        let (width, height) = room.size();
        let mut svg = String::new();
        self.draw_on(&mut svg, x, y, room)
            .expect("drawing into memory cannot fail");
        let inside = svg.split_once('>').map_or("", |(_, inside)| inside);
        let inside = inside.trim_end().trim_end_matches("</svg>");
        // Opacity is never used, and labels stand on lines of their own for no reason.
        let inside = inside
            .replace("opacity=\"1\" ", "")
            .replace(">\n", ">")
            .replace("\n<", "<");
        let inside = Ink::all().fold(inside, |text, ink| ink.settle(&text));
        (inside, format!("0 0 {} {}", width * SCALE, height * SCALE))
    }

    fn draw_on(&self, svg: &mut String, x: &Axis, y: &Axis, room: Room) -> Result<(), Trouble> {
        let (width, height) = room.size();
        let size = |pixels: i32| u32::try_from(pixels * SCALE).unwrap_or(0);
        let area = SVGBackend::with_string(svg, (size(width), size(height))).into_drawing_area();
        let letters = room.letters();
        let widest = y.ticks.iter().map(|tick| (y.label)(*tick).chars().count());
        let letters_beside = i32::try_from(widest.max().unwrap_or(0)).unwrap_or(0);
        let mut chart = ChartBuilder::on(&area)
            .margin_top((letters + 4) * SCALE)
            .margin_right(22 * SCALE)
            .set_label_area_size(
                LabelAreaPosition::Left,
                (letters_beside * letters * 6 / 10 + 12) * SCALE,
            )
            .set_label_area_size(LabelAreaPosition::Bottom, (letters + 12) * SCALE)
            .build_cartesian_2d(Coordinate::of(x), Coordinate::of(y))?;
        // The library writes a size of 1.24 for a size of 1.
        let font = ("sans-serif", letters * SCALE * 124 / 100).into_font();
        let text = font.color(&Ink::Text.stand_in());
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(Ink::Grid.stand_in().stroke_width(10))
            .axis_style(Ink::Text.stand_in().stroke_width(10))
            .set_all_tick_mark_size(4 * SCALE)
            .label_style(text.clone())
            .draw()?;
        for layer in &self.layers {
            match layer {
                Layer::Line(ink, points) => {
                    let style = ink.stand_in().stroke_width(20);
                    chart.draw_series([PathElement::new(points.clone(), style)])?;
                }
                Layer::Band(ink, points) => {
                    let upper = points.iter().map(|(x, _, upper)| (*x, *upper));
                    let lower = points.iter().rev().map(|(x, lower, _)| (*x, *lower));
                    let around: Vec<_> = upper.chain(lower).collect();
                    chart.draw_series([Polygon::new(around, ink.stand_in().filled())])?;
                }
            }
        }
        let mut free_from = f64::MIN;
        for (at, number, fault) in &self.marks {
            let ink = if *fault { Ink::Fault } else { Ink::Marker };
            let line = vec![(*at, y.low), (*at, y.high)];
            chart.draw_series([PathElement::new(line, ink.stand_in().stroke_width(12))])?;
            // Numbers that would lie over each other are left out: the lines are there, and the table has them.
            let apart = (x.high - x.low) * f64::from(letters) * 1.3 / f64::from(width);
            if *at >= free_from {
                let above = text.pos(text_anchor());
                let label = Text::new(number.to_string(), (*at, y.high), above);
                chart.draw_series([label])?;
                free_from = at + apart;
            }
        }
        area.present()?;
        drop(chart);
        Ok(())
    }
}

/// An axis, as the library takes it: with our labels.
struct Coordinate<'a> {
    axis: &'a Axis,
    linear: RangedCoordf64,
}

impl<'a> Coordinate<'a> {
    fn of(axis: &'a Axis) -> Self {
        let linear = (axis.low..axis.high).into();
        Self { axis, linear }
    }
}

impl Ranged for Coordinate<'_> {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.linear.map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        match hint.weight() {
            KeyPointWeight::Bold => self.axis.ticks.clone(),
            KeyPointWeight::Any => Vec::new(),
        }
    }

    fn range(&self) -> Range<f64> {
        self.axis.low..self.axis.high
    }
}

impl ValueFormatter<f64> for Coordinate<'_> {
    fn format_ext(&self, value: &f64) -> String {
        (self.axis.label)(*value)
    }
}

fn text_anchor() -> plotters::style::text_anchor::Pos {
    use plotters::style::text_anchor::{HPos, Pos, VPos};
    Pos::new(HPos::Center, VPos::Bottom)
}
