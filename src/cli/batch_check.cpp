#include "cli/batch_check.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <string>

namespace headrace::cli {

namespace {

// Elements of a row of this layout. In the layout rows those of the ring's: whole cache lines of
// 16 words, or for short ones whole vectors of 4.
std::int64_t width_of(Layout layout, std::int64_t longest, std::uint32_t capacity) {
    const std::int64_t step = capacity < 16 ? 4 : 16;
    switch (layout) {
        case Layout::packed: break;
        case Layout::trimmed: return longest;
        case Layout::padded: return capacity;
        case Layout::rows: return (capacity + step - 1) / step * step;
    }
    return 0;
}

// The rows of one field of a batch.
template <class T>
class Rows {
  public:
    Rows(const Batch& batch, const BatchContent& content, std::uint32_t field)
        : name_(batch.schema()[field].name),
          values_(static_cast<const T*>(content.fields[field].values)),
          offsets_(batch.host_offsets(field)),
          on_device_(content.fields[field].offsets),
          width_(static_cast<std::size_t>(batch.width(field))),
          packed_(batch.layout() == Layout::packed),
          has_tails_(!packed_ && batch.layout() != Layout::rows) {}

    // Before anything else: later calls go where the offsets say.
    bool check_shape(const Batch& batch, std::uint32_t field, RecordCheck& check) const {
        const auto wrong = [&](const std::string& what) {
            return check.fail("batch at record " + std::to_string(batch.first_index()) +
                              ", field \"" + name_ + "\": " + what);
        };
        if (offsets_.size() != batch.size() + 1 || offsets_.front() != 0) {
            return wrong("offsets do not start at 0 or are not one more than the records");
        }
        if (!std::equal(offsets_.begin(), offsets_.end(), on_device_)) {
            return wrong("offsets on the device are not those on the host");
        }
        std::int64_t longest = 0;
        for (std::size_t row = 0; row < batch.size(); ++row) {
            const std::int64_t length = std::int64_t{offsets_[row + 1]} - offsets_[row];
            if (length < 0 || length > std::int64_t{batch.schema()[field].capacity}) {
                return wrong("offsets say that a record has " + std::to_string(length) +
                             " elements");
            }
            longest = std::max(longest, length);
        }
        const std::int64_t wanted_width =
            width_of(batch.layout(), longest, batch.schema()[field].capacity);
        if (batch.longest(field) != longest || batch.total(field) != offsets_.back() ||
            batch.width(field) != wanted_width) {
            return wrong("longest, total or width are not what the offsets say");
        }
        return true;
    }
    std::span<const T> row(std::size_t record) const { return {start(record), length(record)}; }
    // True when the tail of a row holds nothing but `pad`. A packed batch has no tails, and those
    // of the layout rows hold anything.
    bool tail_holds(std::size_t record, T pad) const {
        if (!has_tails_ || length(record) == width_) return true;
        const T* tail = start(record) + length(record);
        // The first is right, and each is the same as the one before it: at the speed of memcmp.
        return std::memcmp(tail, &pad, sizeof pad) == 0 &&
               std::memcmp(tail, tail + 1, (width_ - length(record) - 1) * sizeof pad) == 0;
    }

  private:
    std::size_t length(std::size_t record) const {
        return static_cast<std::size_t>(offsets_[record + 1] - offsets_[record]);
    }
    const T* start(std::size_t record) const {
        return values_ + (packed_ ? static_cast<std::size_t>(offsets_[record]) : record * width_);
    }

    std::string name_;
    const T* values_;
    std::span<const std::int32_t> offsets_;
    const std::int32_t* on_device_;
    std::size_t width_;
    bool packed_, has_tails_;
};

}  // namespace

bool check_batch(const Batch& batch, const BatchContent& content, std::uint64_t& next,
                 RecordCheck& check) {
    const Rows<float> floats(batch, content, kFloats);
    const Rows<std::int32_t> ints(batch, content, kInts);
    if (!floats.check_shape(batch, kFloats, check) || !ints.check_shape(batch, kInts, check)) {
        return false;
    }
    for (std::size_t record = 0; record < batch.size(); ++record, ++next) {
        if (batch.indices()[record] != next || batch.items()[record] != next) {
            return check.fail("record " + std::to_string(batch.indices()[record]) + " found, " +
                              "record " + std::to_string(next) + " wanted");
        }
        if (!check.check(next, floats.row(record), ints.row(record))) return false;
        if (!floats.tail_holds(record, kFloatPad) || !ints.tail_holds(record, kIntPad)) {
            return check.fail("record " + std::to_string(next) + ": its tail is not the pad value");
        }
    }
    return true;
}

}  // namespace headrace::cli
