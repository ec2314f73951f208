#include "cli/table.hpp"

#include <algorithm>

#include "cli/text.hpp"

namespace headrace::cli {

std::string aligned(const std::vector<Row>& rows, const std::vector<std::size_t>& left) {
    std::vector<std::size_t> widths(rows.front().size());
    const auto runs_on = [&](const Row& row, std::size_t column) {
        return row.size() < widths.size() && column + 1 == row.size();
    };
    for (const Row& row : rows) {
        for (std::size_t column = 0; column < row.size(); ++column) {
            if (runs_on(row, column)) continue;
            widths[column] = std::max(widths[column], width_of(row[column]));
        }
    }
    std::string out;
    for (const Row& row : rows) {
        std::string text;
        for (std::size_t column = 0; column < row.size(); ++column) {
            text += "  ";
            if (runs_on(row, column)) {
                text += row[column];
                continue;
            }
            const std::string gap(widths[column] - width_of(row[column]), ' ');
            const bool flush_left = std::ranges::find(left, column) != left.end();
            text += flush_left ? row[column] + gap : gap + row[column];
        }
        text.erase(text.find_last_not_of(' ') + 1);
        out += text + "\n";
    }
    return out;
}

}  // namespace headrace::cli
