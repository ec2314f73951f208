// A program of somebody else: one record goes through a ring, to see that headers and library fit.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <headrace/headrace.hpp>
#include <string>

int main() {
    const std::filesystem::path folder =
        std::filesystem::temp_directory_path() / ("headrace-package-" + std::to_string(getpid()));
    bool arrived = false;
    {
        headrace::Ring ring = headrace::Ring::create({.name = "package",
                                                      .schema = headrace::Schema::float_int(4, 4),
                                                      .slots = 2,
                                                      .directory = folder.string()});
        headrace::Producer producer = ring.producer();
        headrace::Consumer consumer = ring.consumer();
        const float floats[] = {1.5f, 2.5f};
        const std::int32_t ints[] = {7};
        producer.put(floats, ints);
        if (auto record = consumer.get()) {
            const auto values = record->field<float>(0);
            arrived = values.size() == 2 && values[1] == 2.5f;
        }
    }
    std::filesystem::remove_all(folder);
    std::puts(arrived ? "the record arrived" : "the record did not arrive");
    return arrived ? 0 : 1;
}
