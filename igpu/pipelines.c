/* Layouts and pipelines. All shaders share one layout, since a binding that a shader does not name
 * costs it nothing. Waves have 64 invocations if the device lets the engine choose: then a
 * workgroup is one wave. No shader gets better with two waves of 32 (docs/igpu.md). */
#include <string.h>

#include "igpu/device_model.h"

static VkResult create_layouts(struct igpu_model *m, const char **call) {
    VkDescriptorSetLayoutBinding bindings[BINDINGS];
    for (uint32_t b = 0; b < BINDINGS; b++)
        bindings[b] =
            (VkDescriptorSetLayoutBinding){.binding = b,
                                           .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                           .descriptorCount = b >= BIND_IN ? BIND_ARRAY : 1,
                                           .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
    VkDescriptorSetLayoutCreateInfo set = {.sType =
                                               VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
                                           .bindingCount = BINDINGS,
                                           .pBindings = bindings};
    *call = "vkCreateDescriptorSetLayout";
    VkResult r =
        m->device.vk.CreateDescriptorSetLayout(m->device.handle, &set, NULL, &m->set_layout);
    if (r) return r;
    VkPushConstantRange push = {VK_SHADER_STAGE_COMPUTE_BIT, 0, PUSH_BYTES};
    VkPipelineLayoutCreateInfo layout = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                         .setLayoutCount = 1,
                                         .pSetLayouts = &m->set_layout,
                                         .pushConstantRangeCount = 1,
                                         .pPushConstantRanges = &push};
    *call = "vkCreatePipelineLayout";
    return m->device.vk.CreatePipelineLayout(m->device.handle, &layout, NULL, &m->layout);
}

/* Whether the cache begins like one that this device's driver gave. The driver checks that, too. */
static int is_own(const struct device_facts *f, const void *pipeline_cache, size_t bytes) {
    VkPipelineCacheHeaderVersionOne h;
    if (!pipeline_cache || bytes < sizeof h) return 0;
    memcpy(&h, pipeline_cache, sizeof h);
    return h.headerVersion == VK_PIPELINE_CACHE_HEADER_VERSION_ONE && h.vendorID == f->vendor &&
           h.deviceID == f->device && !memcmp(h.pipelineCacheUUID, f->cache_id, sizeof f->cache_id);
}

static VkResult create_cache(struct igpu_model *m, const void *pipeline_cache, size_t bytes) {
    int own = is_own(&m->device.facts, pipeline_cache, bytes);
    VkPipelineCacheCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
                                      .initialDataSize = own ? bytes : 0,
                                      .pInitialData = own ? pipeline_cache : NULL};
    return m->device.vk.CreatePipelineCache(m->device.handle, &info, NULL, &m->cache);
}

apus_status igpu_model_pipeline_cache(const void *memory, void *data, size_t capacity,
                                      size_t *bytes) {
    const struct igpu_model *m = memory;
    size_t size = data ? capacity : 0;
    VkResult r = m->device.vk.GetPipelineCacheData(m->device.handle, m->cache, &size, data);
    if (r == VK_INCOMPLETE) return APUS_E_SPACE;
    if (r) return APUS_E_ENGINE;
    *bytes = size;
    return APUS_OK;
}

static VkResult create_pipeline(struct igpu_model *m, VkShaderModule module,
                                const uint32_t constant[3], VkPipeline *pipeline) {
    static const VkSpecializationMapEntry entries[] = {{0, 0, 4}, {1, 4, 4}, {2, 8, 4}};
    VkSpecializationInfo constants = {3, entries, 3 * sizeof *constant, constant};
    VkPipelineShaderStageRequiredSubgroupSizeCreateInfo wave = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO,
        .requiredSubgroupSize = 64};
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .pNext = m->device.facts.wave64 ? &wave : NULL,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .module = module,
                  .pName = "main",
                  .pSpecializationInfo = constant ? &constants : NULL},
        .layout = m->layout};
    return m->device.vk.CreateComputePipelines(m->device.handle, m->cache, 1, &info, NULL,
                                               pipeline);
}

static VkResult create_gemvs(struct igpu_model *m, VkShaderModule module, uint32_t gemv_types) {
    for (uint32_t b = 0; b < BUCKETS; b++)
        for (uint32_t types = 1; types <= GEMV_MOST; types++) {
            if (!(gemv_types >> types & 1)) continue;
            if (b == PROMPT) {
                m->gemv[b][types] = m->gemv[b - 1][types];
                continue;
            }
            VkResult r = create_pipeline(m, module, (const uint32_t[]){bucket_cols(b), types, 0},
                                         &m->gemv[b][types]);
            if (r) return r;
        }
    return VK_SUCCESS;
}

static VkResult create_matrices(struct igpu_model *m, VkShaderModule module, uint32_t gemv_types) {
    const struct device_facts *f = &m->device.facts;
    uint32_t waves = 64 / (f->wave64 ? 64 : f->subgroup);
    for (uint32_t types = 1; types <= GEMV_MOST; types++) {
        if (!(gemv_types >> types & 1) || !gemv_by_matrices(types)) continue;
        m->gemv[PROMPT][types] = VK_NULL_HANDLE;
        VkResult r = create_pipeline(m, module, (const uint32_t[]){f->matrix, types, waves},
                                     &m->gemv[PROMPT][types]);
        if (r) return r;
    }
    return VK_SUCCESS;
}

static VkResult create_experts(struct igpu_model *m, VkShaderModule module, uint32_t types) {
    for (uint32_t b = 0; b < EXPERTS_BUCKETS; b++)
        for (uint32_t type = 1; type <= GEMV_MOST; type++) {
            if (!(types >> type & 1)) continue;
            VkResult r = create_pipeline(
                m, module, (const uint32_t[]){b ? EXPERTS_COLS : 1, type, 0}, &m->experts[b][type]);
            if (r) return r;
        }
    return VK_SUCCESS;
}

static VkResult create_of(struct igpu_model *m, enum shader s, VkShaderModule module,
                          const struct model_types *types) {
    if (s == SHADER_GEMV) return create_gemvs(m, module, types->gemv);
    if (s == SHADER_GEMV_EXPERTS) return create_experts(m, module, types->experts);
    return s == SHADER_GEMV_MATRIX ? create_matrices(m, module, types->gemv)
                                   : create_pipeline(m, module, NULL, &m->pipeline[s]);
}

static int is_needed(const struct igpu_model *m, enum shader s, const struct model_types *types) {
    switch (s) {
    case SHADER_GEMV_MATRIX:
        return m->device.facts.matrix != 0;
    case SHADER_ROUTE:
    case SHADER_PAIRS:
    case SHADER_SPREAD:
    case SHADER_MIX:
    case SHADER_GEMV_EXPERTS:
        return types->experts != 0;
    default:
        return 1;
    }
}

VkResult pipelines_open(struct igpu_model *m, const struct model_types *types,
                        const void *pipeline_cache, size_t pipeline_cache_bytes,
                        const char **call) {
    VkResult r = create_layouts(m, call);
    if (!r)
        *call = "vkCreatePipelineCache", r = create_cache(m, pipeline_cache, pipeline_cache_bytes);
    for (uint32_t s = 0; !r && s < SHADERS; s++) {
        VkShaderModule module;
        if (!is_needed(m, (enum shader)s, types)) continue;
        VkShaderModuleCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO};
        info.pCode = shader_code((enum shader)s, m->device.facts.dot, &info.codeSize);
        *call = "vkCreateShaderModule";
        r = m->device.vk.CreateShaderModule(m->device.handle, &info, NULL, &module);
        if (r) break;
        *call = "vkCreateComputePipelines";
        r = create_of(m, (enum shader)s, module, types);
        m->device.vk.DestroyShaderModule(m->device.handle, module, NULL);
    }
    return r;
}

void pipelines_close(struct igpu_model *m) {
    struct vk *vk = &m->device.vk;
    for (uint32_t s = 0; s < SHADER_GEMV; s++)
        vk->DestroyPipeline(m->device.handle, m->pipeline[s], NULL);
    for (uint32_t b = 0; b < BUCKETS; b++)
        for (uint32_t t = 0; t <= GEMV_MOST; t++)
            if (b < PROMPT || m->gemv[b][t] != m->gemv[b - 1][t])
                vk->DestroyPipeline(m->device.handle, m->gemv[b][t], NULL);
    for (uint32_t b = 0; b < EXPERTS_BUCKETS; b++)
        for (uint32_t t = 0; t <= GEMV_MOST; t++)
            vk->DestroyPipeline(m->device.handle, m->experts[b][t], NULL);
    vk->DestroyPipelineCache(m->device.handle, m->cache, NULL);
    vk->DestroyPipelineLayout(m->device.handle, m->layout, NULL);
    vk->DestroyDescriptorSetLayout(m->device.handle, m->set_layout, NULL);
}
