// Errors of a ring bear its name, however far below it they happened.
#pragma once

#include <string>
#include <string_view>
#include <system_error>

#include "headrace/error.hpp"

namespace headrace::ring {

// Does the work, and returns what it returns. A SystemError of it that does not begin with the
// ring's name is given it; one of the standard library's becomes a SystemError.
template <class Work>
auto in_name_of(std::string_view ring, Work&& work) {
    const auto named = [ring](std::string_view text) {
        const std::string title = "ring \"" + std::string(ring) + "\": ";
        return text.starts_with(title) ? std::string(text) : title + std::string(text);
    };
    try {
        return work();
    } catch (const SystemError& error) {
        throw SystemError(named(error.what()));
    } catch (const std::system_error& error) {
        throw SystemError(named(error.what()));
    }
}

}  // namespace headrace::ring
