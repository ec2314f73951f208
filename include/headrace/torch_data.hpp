// Rings in loops over torch::data::make_data_loader, which stay as they are. Header-only, needs
// LibTorch, and is not part of torch.hpp, for torch::data takes long to compile. docs/torch.md is
// the guide.
//
// The namespace is headrace::torch_data; for the name torch see torch.hpp.
#pragma once

#include "headrace/torch_data/as_example.hpp"
#include "headrace/torch_data/ring_dataset.hpp"
