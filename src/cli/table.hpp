// Text in columns.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace headrace::cli {

/// The cells of a line, of well-formed UTF-8 without control characters.
using Row = std::vector<std::string>;

/// Lines, each ended and indented by two spaces, without spaces at the end. The first row, the
/// titles, says how many columns there are. Columns named in `left` are flush left, the others
/// flush right. The last cell of a shorter row runs on over the columns that the row lacks. `rows`
/// is not empty.
std::string aligned(const std::vector<Row>& rows, const std::vector<std::size_t>& left);

}  // namespace headrace::cli
