#include "ring/record_source.hpp"

namespace headrace::detail {

std::string RecordSource::hole_text(const std::string& ring, std::uint64_t index,
                                    std::uint64_t item, const ring::Reason& reason) {
    return "ring \"" + ring + "\": record " + std::to_string(index) + " (item " +
           std::to_string(item) + ") is a hole: " + std::string(name_of(reason.kind)) + ": " +
           reason.text;
}

RecordLease RecordSource::empty_lease(detail::RowView rows, std::uint64_t lap_start,
                                      std::uint64_t floor) {
    RecordLease lease;
    lease.core_ = this;
    lease.rows_ = rows;
    lease.lap_start_ = lap_start;
    lease.floor_ = floor;
    return lease;
}

RecordSource::Volume RecordSource::volume_of(const RecordLease& lease) noexcept {
    Volume volume;
    const std::size_t records = lease.indices_.size();
    const std::span<const FieldView> fields = lease.rows_.fields;
    if (lease.lengths_.size() != fields.size() * records) return volume;  // it was never completed
    for (std::size_t field = 0; field < fields.size(); ++field) {
        std::uint64_t elements = 0;
        for (std::size_t record = 0; record < records; ++record) {
            elements += lease.lengths_[field * records + record];
        }
        volume.payload += elements * fields[field].element_bytes;
        volume.padding +=
            (records * fields[field].capacity - elements) * fields[field].element_bytes;
    }
    return volume;
}

}  // namespace headrace::detail
