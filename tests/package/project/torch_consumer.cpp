// A program of somebody else that uses LibTorch: a batch becomes tensors.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <headrace/headrace.hpp>
#include <headrace/torch.hpp>
#include <string>

int main() {
    const std::filesystem::path folder =
        std::filesystem::temp_directory_path() / ("headrace-torch-" + std::to_string(getpid()));
    double sum = 0;
    {
        headrace::Ring ring = headrace::Ring::create({.name = "package",
                                                      .schema = headrace::Schema::float_int(4, 4),
                                                      .slots = 2,
                                                      .directory = folder.string()});
        headrace::Loader loader(ring, {.batch = 1});
        headrace::Producer producer = ring.producer();
        const float floats[] = {1.5f, 2.5f};
        producer.put(floats, {});
        if (auto batch = loader.next()) {
            const auto tensors = headrace::torch::to_tensors(std::move(*batch));
            sum = tensors["floats"].values.sum().item<double>();
        }
    }
    std::filesystem::remove_all(folder);
    std::printf("the tensor's sum is %g, wanted 4\n", sum);
    return sum == 4 ? 0 : 1;
}
