/* A model on a device: the device, the weights and the pipelines. Programs on any threads share it,
 * and only the queue needs a lock. */
#ifndef IGPU_DEVICE_MODEL_H
#define IGPU_DEVICE_MODEL_H

#include "hal/hal.h"
#include "igpu/push.h"
#include "igpu/weights.h"

/* Bindings of every shader. The first four are one buffer each, the last two are arrays of three
 * buffers. */
enum { BIND_ARGS, BIND_STATUS, BIND_ROWS, BIND_ACT, BIND_IN, BIND_OUT, BINDINGS };
enum { BIND_ARRAY = 3, PUSH_BYTES = 96 };

struct igpu_model {
    struct device device;
    VkDescriptorSetLayout set_layout;
    VkPipelineLayout layout;
    VkPipelineCache cache;
    VkPipeline pipeline[SHADER_GEMV];
    VkPipeline gemv[BUCKETS][GEMV_MOST + 1]; /* [bucket of columns][set of GEMV_W8 ..], of those
                                                sets that the model needs. Without cooperative
                                                matrices for a set, prompts use the pipeline of 16
                                                columns */
    VkPipeline experts[EXPERTS_BUCKETS][GEMV_MOST + 1]; /* [whether a pass has several columns]
                                                           [type], of those the model needs */
    struct heap rows;
    uint64_t imported;
    uint32_t regions;
    struct region region[]; /* [regions] */
};

/* Of what types of weights a model needs pipelines: bit t is set if some dispatch has weights of
 * exactly the set of types t (GEMV_W8 ..). A dispatch takes the weights that share an input, but of
 * experts' weights it takes one. */
struct model_types {
    uint32_t gemv, experts;
};
struct model_types model_types(const struct hal_model *model, const struct hal_program *program);

/* igpu/pipelines.c. pipeline_cache: as in struct hal_model_setup. Returns VK_SUCCESS, or the error,
 * with the name of the call that failed in *call. pipelines_close destroys whatever was made. */
VkResult pipelines_open(struct igpu_model *model, const struct model_types *types,
                        const void *pipeline_cache, size_t pipeline_cache_bytes, const char **call);
void pipelines_close(struct igpu_model *model);

/* igpu/shaders.c: SPIR-V of a shader, with integer dot products or without. */
const uint32_t *shader_code(enum shader shader, int dot, size_t *bytes);

/* igpu/device_selftest.c. *wrong is NULL, or says which operation of the numeric contract the
 * device computes differently. Returns VK_SUCCESS, or the error of a call that failed. */
VkResult selftest_device(struct igpu_model *model, const char **wrong);

/* Logs "DEVICE: CALL gave VK_ERROR_..." and returns APUS_E_ENGINE. */
apus_status igpu_fail(const struct igpu_model *model, const char *call, VkResult result);

apus_status igpu_model_measure(const struct hal_model_setup *setup, struct hal_need *need);
apus_status igpu_model_open(void *memory, const struct hal_model_setup *setup);
void igpu_model_close(void *memory);
/* igpu/pipelines.c */
apus_status igpu_model_pipeline_cache(const void *memory, void *data, size_t capacity,
                                      size_t *bytes);
const char *igpu_model_detail(const void *memory);

#endif
