// The learning curve: as numbers, and as a picture.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace words {

struct CurvePoint {
    std::uint64_t step = 0;  ///< steps made, over all epochs
    double loss = 0;         ///< a record's, over the steps since the last point
    double right = 0;        ///< share of the records, over the same
    /// At the end of an epoch: of the words held out.
    std::optional<double> held_out_loss = {};
    std::optional<double> held_out_right = {};
    bool operator==(const CurvePoint&) const = default;
};
using Curve = std::vector<CurvePoint>;

/// A line a point after a line of names; "-" where there is no number. Equal curves give equal
/// texts.
std::string to_tsv(const Curve& curve);

/// The picture's file with the ending .tsv.
std::filesystem::path tsv_beside(const std::filesystem::path& picture);

/// Writes the numbers to tsv_beside(picture) and has gnuplot draw `picture`, an .svg or a .png.
/// Returns nothing, or, where there is no picture, what to tell the user: no point yet, or gnuplot
/// is not there or fails. Throws std::runtime_error when the numbers cannot be written.
std::optional<std::string> draw(const Curve& curve, const std::filesystem::path& picture);

}  // namespace words
