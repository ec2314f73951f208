// Everything of Headrace but the adapters.
#pragma once

#include "headrace/batch.hpp"
#include "headrace/consumer.hpp"
#include "headrace/device.hpp"
#include "headrace/dtype.hpp"
#include "headrace/error.hpp"
#include "headrace/layout.hpp"
#include "headrace/loader.hpp"
#include "headrace/message.hpp"
#include "headrace/outcome.hpp"
#include "headrace/producer.hpp"
#include "headrace/ring.hpp"
#include "headrace/sampler.hpp"
#include "headrace/schema.hpp"
#include "headrace/state.hpp"
#include "headrace/stats.hpp"
#include "headrace/transfer.hpp"
