#include "headrace/layout.hpp"

#include <string>

#include "headrace/error.hpp"

namespace headrace {

std::string_view name_of(Layout layout) noexcept {
    switch (layout) {
        case Layout::packed: return "packed";
        case Layout::trimmed: return "trimmed";
        case Layout::padded: return "padded";
        case Layout::rows: return "rows";
    }
    return "?";
}

Layout parse_layout(std::string_view text) {
    for (const Layout layout : {Layout::packed, Layout::trimmed, Layout::padded, Layout::rows}) {
        if (text == name_of(layout)) return layout;
    }
    throw UsageError("layout \"" + std::string(text) +
                     "\", wanted packed, trimmed, padded or rows");
}

}  // namespace headrace
