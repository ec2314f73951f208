// The text of the error that some work throws, to look into.
#pragma once

#include <gtest/gtest.h>

#include <exception>
#include <string>

namespace headrace {

// "" when nothing is thrown, and a failure when it is not of the kind that is wanted.
template <class Kind, class Work>
std::string error_text(Work&& work) {
    try {
        work();
    } catch (const Kind& error) {
        return error.what();
    } catch (const std::exception& error) {
        ADD_FAILURE() << "thrown, but of another kind: " << error.what();
        return error.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return {};
}

// Looks for `part` in `text`; a failure prints both.
inline testing::AssertionResult contains(const std::string& text, const std::string& part) {
    if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "no \"" << part << "\" in \"" << text << "\"";
}

}  // namespace headrace
