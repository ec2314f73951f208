// What the JSON of all reports has in common.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "cli/machine.hpp"

namespace headrace::cli {

using Json = nlohmann::ordered_json;

/// As valid UTF-8; null for an empty text.
Json text_or_null(const std::string& text);
Json machine_json(const Machine& machine);

}  // namespace headrace::cli
