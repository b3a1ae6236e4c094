/* What a driver makes of the engine's pipelines: opens a device as the engine does, lets the
 * engine's own code make all pipelines, and prints the statistics and the machine code of each
 * (VK_KHR_pipeline_executable_properties). radv.py reads the output.
 *
 *   test_igpu_executables [device]
 *
 * Exit status 77 if there is no such device, or its driver lacks the extension. Functions that this
 * test puts into the engine's table of Vulkan functions switch the extension on and ask about the
 * pipelines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "igpu/device_model.h"

static struct igpu_model model; /* without weights */
static struct vk real;
static PFN_vkGetPipelineExecutablePropertiesKHR get_properties;
static PFN_vkGetPipelineExecutableStatisticsKHR get_statistics;
static PFN_vkGetPipelineExecutableInternalRepresentationsKHR get_representations;

static void need(int ok, const char *what) {
    if (ok) return;
    printf("FAIL: %s\n", what);
    exit(1);
}

static VkResult VKAPI_CALL create_device(VkPhysicalDevice physical, const VkDeviceCreateInfo *info,
                                         const VkAllocationCallbacks *with, VkDevice *device) {
    const char *names[16];
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR feature = {
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR,
        (void *)(uintptr_t)info->pNext, VK_TRUE};
    VkDeviceCreateInfo more = *info;
    need(info->enabledExtensionCount < 16, "the engine asks for more extensions than expected");
    memcpy(names, info->ppEnabledExtensionNames, info->enabledExtensionCount * sizeof *names);
    names[more.enabledExtensionCount++] = VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME;
    more.ppEnabledExtensionNames = names;
    more.pNext = &feature;
    return real.CreateDevice(physical, &more, with, device);
}

static void print_statistics(VkDevice device, const VkPipelineExecutableInfoKHR *which) {
    VkPipelineExecutableStatisticKHR s[64];
    uint32_t count = 64;
    for (uint32_t i = 0; i < count; i++)
        s[i] = (VkPipelineExecutableStatisticKHR){
            .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR};
    need(!get_statistics(device, which, &count, s), "vkGetPipelineExecutableStatisticsKHR");
    for (uint32_t i = 0; i < count; i++)
        if (s[i].format == VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR)
            printf("statistic: %s: %llu\n", s[i].name, (unsigned long long)s[i].value.u64);
}

static void print_code(VkDevice device, const VkPipelineExecutableInfoKHR *which) {
    VkPipelineExecutableInternalRepresentationKHR r[16];
    uint32_t count = 16;
    for (uint32_t i = 0; i < count; i++)
        r[i] = (VkPipelineExecutableInternalRepresentationKHR){
            .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INTERNAL_REPRESENTATION_KHR};
    need(!get_representations(device, which, &count, r),
         "vkGetPipelineExecutableInternalRepresentationsKHR");
    for (uint32_t i = 0; i < count; i++)
        need((r[i].pData = calloc(1, r[i].dataSize + 1)) != NULL, "no memory");
    need(!get_representations(device, which, &count, r),
         "vkGetPipelineExecutableInternalRepresentationsKHR");
    for (uint32_t i = 0; i < count; i++) {
        if (r[i].isText) printf("representation: %s\n%s\n", r[i].name, (const char *)r[i].pData);
        free(r[i].pData);
    }
}

static void print_pipeline(VkDevice device, VkPipeline pipeline,
                           const VkComputePipelineCreateInfo *info) {
    VkPipelineExecutablePropertiesKHR p[4];
    uint32_t count = 4;
    VkPipelineInfoKHR which = {VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR, NULL, pipeline};
    for (uint32_t i = 0; i < count; i++)
        p[i] = (VkPipelineExecutablePropertiesKHR){
            .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR};
    need(!get_properties(device, &which, &count, p) && count == 1,
         "a compute pipeline should be one executable");
    const VkSpecializationInfo *constants = info->stage.pSpecializationInfo;
    printf("pipeline:");
    for (uint32_t i = 0; constants && i < constants->mapEntryCount; i++)
        printf(" %u", ((const uint32_t *)constants->pData)[i]);
    printf("\nsubgroup: %u\n", p[0].subgroupSize);
    VkPipelineExecutableInfoKHR executable = {VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR, NULL,
                                              pipeline, 0};
    print_statistics(device, &executable);
    print_code(device, &executable);
}

static VkResult VKAPI_CALL create_pipelines(VkDevice device, VkPipelineCache cache, uint32_t count,
                                            const VkComputePipelineCreateInfo *info,
                                            const VkAllocationCallbacks *with,
                                            VkPipeline *pipeline) {
    VkComputePipelineCreateInfo more = *info;
    need(count == 1, "the engine makes one pipeline at a time");
    more.flags |= VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR |
                  VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR;
    VkResult r = real.CreateComputePipelines(device, cache, 1, &more, with, pipeline);
    if (!r) print_pipeline(device, *pipeline, info);
    return r;
}

static int driver_tells(VkPhysicalDevice physical) {
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR feature = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                          .pNext = &feature};
    real.GetPhysicalDeviceFeatures2(physical, &features);
    return feature.pipelineExecutableInfo != 0;
}

int main(int argc, char **argv) {
    struct device *d = &model.device;
    const char *call, *why = device_instance(d, apus_port_host());
    if (!why) why = device_choose(d, argc > 1 ? argv[1] : NULL, NULL);
    real = d->vk;
    if (!why && !driver_tells(d->facts.physical))
        why = "the driver does not tell what it makes of pipelines";
    if (why) {
        printf("skipped: %s\n", why);
        return 77;
    }
    printf("device: %s\n", d->facts.name);
    d->vk.CreateDevice = create_device;
    need(!device_open(d, &call), "the device does not open");
    real = d->vk;
    d->vk.CreateComputePipelines = create_pipelines;
    get_properties = (PFN_vkGetPipelineExecutablePropertiesKHR)real.GetDeviceProcAddr(
        d->handle, "vkGetPipelineExecutablePropertiesKHR");
    get_statistics = (PFN_vkGetPipelineExecutableStatisticsKHR)real.GetDeviceProcAddr(
        d->handle, "vkGetPipelineExecutableStatisticsKHR");
    get_representations =
        (PFN_vkGetPipelineExecutableInternalRepresentationsKHR)real.GetDeviceProcAddr(
            d->handle, "vkGetPipelineExecutableInternalRepresentationsKHR");
    need(get_properties && get_statistics && get_representations,
         "the driver lacks functions of its extension");
    const struct model_types all = {GEMV_SETS, GEMV_SETS};
    need(!pipelines_open(&model, &all, NULL, 0, &call), "a pipeline cannot be made");
    pipelines_close(&model);
    device_close(d);
    return 0;
}
