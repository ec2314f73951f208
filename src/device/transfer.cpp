#include "headrace/transfer.hpp"

#include <string>

#include "headrace/error.hpp"

namespace headrace {

namespace {

constexpr Transfer kTransfers[] = {Transfer::automatic, Transfer::copy, Transfer::trim,
                                   Transfer::direct, Transfer::gather};

}  // namespace

std::string_view name_of(Transfer transfer) noexcept {
    switch (transfer) {
        case Transfer::automatic: return "automatic";
        case Transfer::copy: return "copy";
        case Transfer::trim: return "trim";
        case Transfer::direct: return "direct";
        case Transfer::gather: return "gather";
    }
    return "?";
}

Transfer parse_transfer(std::string_view text) {
    for (const Transfer transfer : kTransfers) {
        if (name_of(transfer) == text) return transfer;
    }
    throw UsageError("transfer \"" + std::string(text) +
                     "\", wanted automatic, copy, trim, direct or gather");
}

}  // namespace headrace
