//! Rows as JSON lines: one object a line, blank cells left out, reasons as objects.

use std::io::{self, Write};

use super::rows::Row;

/// Writes one row and the end of its line.
pub fn write(to: &mut impl Write, row: &Row) -> io::Result<()> {
    serde_json::to_writer(&mut *to, row).map_err(io::Error::from)?;
    to.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_one_line_without_blanks() {
        let row = Row { index: 3, reply_text: "two\nlines".to_owned(), ..Row::default() };
        let mut out = Vec::new();
        write(&mut out, &row).expect("memory");
        assert_eq!(String::from_utf8(out).expect("UTF-8"), "{\"index\":3,\"reply_text\":\"two\\nlines\"}\n");
    }
}
