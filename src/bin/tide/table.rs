//! Tables: aligned on a terminal, tabs between the cells elsewhere.

/// Rows of cells.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    /// Columns whose cells stand to the right.
    right: Vec<usize>,
}

impl Table {
    /// A table in which these columns hold numbers.
    pub(crate) fn new(right: &[usize]) -> Table {
        Table { rows: Vec::new(), right: right.to_vec() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The same rows behind a cell that says what they are.
    pub(crate) fn behind(&self, label: &str) -> Table {
        let rows = self.rows.iter().map(|row| [vec![label.to_owned()], row.clone()].concat()).collect();
        Table { rows, right: self.right.iter().map(|at| at + 1).collect() }
    }

    /// Whether it has no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// For a terminal: two spaces between the columns, each as wide as its widest cell.
    pub(crate) fn aligned(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let wide = |at: usize| self.rows.iter().filter_map(|row| row.get(at)).map(|cell| width(cell)).max();
        let widths: Vec<usize> = (0..columns).map(|at| wide(at).unwrap_or(0)).collect();
        let line = |row: &Vec<String>| {
            let mut line = String::new();
            for (at, cell) in row.iter().enumerate() {
                let gap = " ".repeat(widths[at] - width(cell));
                if at > 0 {
                    line.push_str("  ");
                }
                let parts = if self.right.contains(&at) { [&gap, cell] } else { [cell, &gap] };
                line.extend(parts.map(String::as_str));
            }
            line.trim_end().to_owned()
        };
        self.rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// For programs: tabs between the cells; tabs and line ends within become spaces.
    pub(crate) fn tabbed(&self) -> String {
        let flat = |cell: &String| cell.replace(['\t', '\n', '\r'], " ");
        let line = |row: &Vec<String>| row.iter().map(flat).collect::<Vec<_>>().join("\t");
        self.rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// How many cells of a terminal `text` takes, as far as it can be told without tables of all of Unicode.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

fn width_of(c: char) -> usize {
    match u32::from(c) {
        // Marks that stand on the character before them, and what joins or directs.
        0x0300..=0x036f | 0x200b..=0x200f | 0x20d0..=0x20ff | 0xfe00..=0xfe0f | 0xfe20..=0xfe2f => 0,
        // Hangul, CJK and what belongs to it, emoji.
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff => 2,
        0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// The beginning of `text` that fits into `room` cells, with an ellipsis if that is not all.
pub(crate) fn cut(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut left = room.saturating_sub(1);
    let fits = |c: &char| {
        let fits = width_of(*c) <= left;
        left -= if fits { width_of(*c) } else { 0 };
        fits
    };
    let mut part: String = text.chars().take_while(fits).collect();
    if room > 0 {
        part.push('…');
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_below_each_other_or_behind_tabs() {
        let mut table = Table::new(&[1]);
        table.row(["name".into(), "5 B".into(), "x".into()]);
        table.row(["名".into(), "10 KiB".into()]);
        table.row(["a\tb".into()]);
        assert_eq!(table.aligned(), "name     5 B  x\n名    10 KiB\na\tb");
        assert_eq!(table.tabbed(), "name\t5 B\tx\n名\t10 KiB\na b");
    }

    #[test]
    fn text_is_cut_to_the_cells_there_are() {
        assert_eq!(cut("hello", 5), "hello");
        assert_eq!(cut("hello", 4), "hel…");
        assert_eq!(cut("hello", 1), "…");
        assert_eq!(cut("hello", 0), "");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(width("e\u{301}"), 1);
    }
}
