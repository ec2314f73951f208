#include "cli/report_json.hpp"

#include "cli/text.hpp"

namespace headrace::cli {

Json text_or_null(const std::string& text) {
    return text.empty() ? Json(nullptr) : Json(valid_utf8(text));
}

Json machine_json(const Machine& machine) {
    return Json{{"hostname", valid_utf8(machine.hostname)},
                {"cpu", valid_utf8(machine.cpu)},
                {"cores", machine.cores},
                {"kernel", valid_utf8(machine.kernel)}};
}

}  // namespace headrace::cli
