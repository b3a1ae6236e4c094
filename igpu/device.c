#include "igpu/device.h"

#include <string.h>

enum { STORAGE_BUFFERS = 10, FAMILIES_MAX = 16, MATRIX_KINDS_MAX = 20 };

const char *device_instance(struct device *device, const apus_port *port) {
    memset(device, 0, sizeof *device);
    const char *why = vk_open(&device->vk, port);
    if (why) return why;
    device->port = *port;
    uint32_t version = 0;
    if (device->vk.EnumerateInstanceVersion(&version) || version < VK_API_VERSION_1_2)
        why = "the Vulkan loader is older than version 1.2";
    VkApplicationInfo application = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                     .pApplicationName = "apus",
                                     .pEngineName = "apus",
                                     .apiVersion = VK_API_VERSION_1_3};
    VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                 .pApplicationInfo = &application};
    if (!why && device->vk.CreateInstance(&info, NULL, &device->instance))
        why = "no Vulkan driver is installed (Debian and Ubuntu: mesa-vulkan-drivers)";
    if (!why && vk_load_instance(&device->vk, device->instance))
        why = "the Vulkan loader lacks functions of version 1.2";
    if (why) device_close(device);
    return why;
}

/* Finds a queue family that computes, without graphics if there is one, so that the desktop keeps
 * its own queue. */
static int find_family(const struct device *device, VkPhysicalDevice physical, uint32_t *family) {
    VkQueueFamilyProperties families[FAMILIES_MAX];
    uint32_t count = FAMILIES_MAX;
    int found = 0;
    device->vk.GetPhysicalDeviceQueueFamilyProperties(physical, &count, families);
    for (uint32_t i = count; i-- > 0;) {
        VkQueueFlags flags = families[i].queueFlags;
        if (!(flags & VK_QUEUE_COMPUTE_BIT) || (found && flags & VK_QUEUE_GRAPHICS_BIT)) continue;
        *family = i;
        found = 1;
    }
    return found;
}

/* Host memory is imported only by devices that read the host's memory as their own. A discrete GPU
 * would read the weights through its bus in every pass, and NVIDIA's driver makes no allocation any
 * more after it has refused the pages of a mapped file. */
static int can_import(const struct device *device, VkPhysicalDevice physical,
                      VkPhysicalDeviceType type) {
    if (type == VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU) return 0;
    VkPhysicalDeviceExternalBufferInfo info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
        .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
        .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT};
    VkExternalBufferProperties properties = {.sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES};
    device->vk.GetPhysicalDeviceExternalBufferProperties(physical, &info, &properties);
    return (properties.externalMemoryProperties.externalMemoryFeatures &
            VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT) != 0;
}

static int has_coherent_memory(const struct device *device, VkPhysicalDevice physical) {
    VkPhysicalDeviceMemoryProperties memory;
    VkMemoryPropertyFlags wanted =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    device->vk.GetPhysicalDeviceMemoryProperties(physical, &memory);
    for (uint32_t i = 0; i < memory.memoryTypeCount; i++)
        if ((memory.memoryTypes[i].propertyFlags & wanted) == wanted) return 1;
    return 0;
}

/* The size of the device's square matrices of signed bytes: 16 or 8, the larger one that it has, or
 * 0 if it has neither. */
static uint32_t matrix_size(const struct device *device, VkPhysicalDevice physical) {
    struct vk_matrix_kind kinds[MATRIX_KINDS_MAX];
    uint32_t count = MATRIX_KINDS_MAX, best = 0;
    for (uint32_t i = 0; i < count; i++)
        kinds[i] = (struct vk_matrix_kind){.type = (VkStructureType)VK_MATRIX_KIND};
    VkResult r =
        device->vk.GetPhysicalDeviceCooperativeMatrixPropertiesKHR(physical, &count, kinds);
    if (r != VK_SUCCESS && r != VK_INCOMPLETE) return 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct vk_matrix_kind *k = &kinds[i];
        int fits = k->a == VK_MATRIX_SINT8 && k->b == VK_MATRIX_SINT8 && k->c == VK_MATRIX_SINT32 &&
                   k->result == VK_MATRIX_SINT32 && !k->saturating &&
                   k->scope == VK_MATRIX_SUBGROUP && k->m == k->n && k->n == k->k &&
                   (k->m == 8 || k->m == 16);
        if (fits && k->m > best) best = k->m;
    }
    return best;
}

static void read_facts(const struct device *device, VkPhysicalDevice physical,
                       struct device_facts *f) {
    VkPhysicalDeviceVulkan12Properties core = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES};
    VkPhysicalDeviceProperties2 p = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                     .pNext = &core};
    VkPhysicalDeviceVulkan11Properties core11 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES};
    struct vk_matrix_features matrix = {.type = (VkStructureType)VK_MATRIX_FEATURES};
    VkPhysicalDeviceSubgroupSizeControlProperties waves = {
        .pNext = &core11,
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES};
    VkPhysicalDeviceSubgroupSizeControlFeatures control = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES};
    VkPhysicalDeviceShaderIntegerDotProductFeatures dot = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES};
    VkPhysicalDeviceVulkan12Features f12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES, .pNext = &dot};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                          .pNext = &f12};
    memset(f, 0, sizeof *f);
    f->physical = physical;
    device->vk.GetPhysicalDeviceProperties2(physical, &p);
    memcpy(f->name, p.properties.deviceName, sizeof f->name);
    f->name[sizeof f->name - 1] = 0;
    f->type = p.properties.deviceType;
    f->api = p.properties.apiVersion;
    f->vendor = p.properties.vendorID;
    f->device = p.properties.deviceID;
    memcpy(f->cache_id, p.properties.pipelineCacheUUID, sizeof f->cache_id);
    f->storage_range = p.properties.limits.maxStorageBufferRange;
    if (f->api < VK_API_VERSION_1_2) {
        f->refusal = "its driver is older than Vulkan 1.2";
        return;
    }
    if (f->api >= VK_API_VERSION_1_3) { /* older versions know these structures through extensions
                                           only */
        core.pNext = &waves;
        dot.pNext = &control;
        if (device->vk.GetPhysicalDeviceCooperativeMatrixPropertiesKHR) control.pNext = &matrix;
        device->vk.GetPhysicalDeviceProperties2(physical, &p);
    }
    device->vk.GetPhysicalDeviceFeatures2(physical, &features);
    f->wave64 = control.subgroupSizeControl && waves.minSubgroupSize <= 64 &&
                waves.maxSubgroupSize >= 64 &&
                (waves.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT);
    f->subgroup = core11.subgroupSize;
    if (matrix.matrices && f12.shaderInt8 && f12.vulkanMemoryModel &&
        f12.vulkanMemoryModelDeviceScope && f->subgroup >= 8 && f->subgroup <= 64)
        f->matrix = matrix_size(device, physical);
    f->dot = dot.shaderIntegerDotProduct != 0;
    f->import = can_import(device, physical, f->type);
    if (!find_family(device, physical, &f->family))
        f->refusal = "it has no compute queue";
    else if (!f12.timelineSemaphore)
        f->refusal = "its driver has no timeline semaphores";
    else if (!core.shaderRoundingModeRTEFloat32)
        f->refusal = "its driver cannot promise rounding to nearest for 32-bit floats";
    else if (!features.features.shaderStorageBufferArrayDynamicIndexing)
        f->refusal = "its driver cannot index arrays of storage buffers";
    else if (p.properties.limits.maxPerStageDescriptorStorageBuffers < STORAGE_BUFFERS)
        f->refusal = "a shader may use fewer than 10 storage buffers";
    else if (!has_coherent_memory(device, physical))
        f->refusal = "the host can access none of its memory";
}

int device_at(const struct device *device, uint32_t index, struct device_facts *facts) {
    VkPhysicalDevice physical[DEVICES_MAX];
    uint32_t count = DEVICES_MAX;
    VkResult r = device->vk.EnumeratePhysicalDevices(device->instance, &count, physical);
    if ((r != VK_SUCCESS && r != VK_INCOMPLETE) || index >= count) return 0;
    read_facts(device, physical[index], facts);
    return 1;
}

static uint32_t rank(VkPhysicalDeviceType type) {
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
        return 4;
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
        return 3;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
        return 2;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
        return 1;
    default:
        return 0;
    }
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c; }

/* Whether `name` contains the first `bytes` bytes of `part`. Letters of either case match. */
static int has_part(const char *name, const char *part, size_t bytes) {
    for (; *name; name++) {
        size_t i = 0;
        while (i < bytes && name[i] && lower(name[i]) == lower(part[i])) i++;
        if (i == bytes) return 1;
    }
    return bytes == 0;
}

/* The text as a decimal number, or -1 if it is not one or is too large for an index. */
static int64_t index_of(const char *wanted, size_t bytes) {
    int64_t n = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (wanted[i] < '0' || wanted[i] > '9' || n > 1000) return -1;
        n = n * 10 + (wanted[i] - '0');
    }
    return bytes ? n : -1;
}

/* Reads options such as "-dot,-import", which name what the engine must not use. Returns 0 if the
 * text says anything else. */
static int read_off(const char *text, struct device_facts *f) {
    int matrix = 1;
    const struct {
        const char *name;
        int *feature;
    } known[] = {
        {"-dot", &f->dot}, {"-import", &f->import}, {"-wave64", &f->wave64}, {"-matrix", &matrix}};
    while (*text) {
        size_t bytes = 0, i = 0;
        while (text[bytes] && text[bytes] != ',') bytes++;
        while (i < sizeof known / sizeof *known &&
               (strlen(known[i].name) != bytes || memcmp(text, known[i].name, bytes) != 0))
            i++;
        if (i == sizeof known / sizeof *known) return 0;
        *known[i].feature = 0;
        text += bytes;
        if (*text && !*++text) return 0; /* a comma with nothing behind it */
    }
    if (!matrix) f->matrix = 0;
    return 1;
}

const char *device_choose(struct device *device, const char *wanted, const char *options) {
    struct device_facts facts;
    uint32_t best = 0;
    int found = 0;
    if (!wanted) wanted = "";
    if (!options) options = "";
    const size_t bytes = strlen(wanted);
    if (!read_off(options, &facts))
        return "its options are -dot, -import, -wave64 and -matrix, with commas between";
    int64_t index = index_of(wanted, bytes);
    const char *refusal =
        bytes ? "no Vulkan device of that name or index is here; apus_probe lists them"
              : "no Vulkan device is here";
    for (uint32_t i = 0; device_at(device, i, &facts); i++) {
        if (index >= 0 ? index != (int64_t)i : !has_part(facts.name, wanted, bytes)) continue;
        if (facts.refusal) {
            refusal = facts.refusal;
        } else if (!found || rank(facts.type) > best) {
            best = rank(facts.type);
            device->facts = facts;
            found = 1;
        }
    }
    read_off(options, &device->facts);
    return found ? NULL : refusal;
}

/* Creates the Vulkan device with the features that its facts name. */
static VkResult create(struct device *device) {
    const struct device_facts *f = &device->facts;
    const char *extensions[3];
    uint32_t count = 0;
    if (f->import) extensions[count++] = "VK_EXT_external_memory_host";
    if (f->dot && f->api < VK_API_VERSION_1_3)
        extensions[count++] = "VK_KHR_shader_integer_dot_product";
    if (f->matrix) extensions[count++] = "VK_KHR_cooperative_matrix";
    float priority = 0.5f;
    VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                     .queueFamilyIndex = device->facts.family,
                                     .queueCount = 1,
                                     .pQueuePriorities = &priority};
    void *next = NULL;
    struct vk_matrix_features with_matrices = {.type = (VkStructureType)VK_MATRIX_FEATURES,
                                               .matrices = VK_TRUE};
    VkPhysicalDeviceSubgroupSizeControlFeatures with_sizes = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES,
        .subgroupSizeControl = VK_TRUE};
    VkPhysicalDeviceShaderIntegerDotProductFeatures with_dot = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES,
        .shaderIntegerDotProduct = VK_TRUE};
    if (f->matrix) next = &with_matrices;
    if (f->wave64) with_sizes.pNext = next, next = &with_sizes;
    if (f->dot) with_dot.pNext = next, next = &with_dot;
    VkPhysicalDeviceVulkan12Features f12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
        .pNext = next,
        .timelineSemaphore = VK_TRUE,
        .shaderInt8 = f->matrix != 0,
        .vulkanMemoryModel = f->matrix != 0,
        .vulkanMemoryModelDeviceScope = f->matrix != 0};
    VkPhysicalDeviceFeatures features = {.shaderStorageBufferArrayDynamicIndexing = VK_TRUE};
    VkDeviceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                               .pNext = &f12,
                               .queueCreateInfoCount = 1,
                               .pQueueCreateInfos = &queue,
                               .enabledExtensionCount = count,
                               .ppEnabledExtensionNames = extensions,
                               .pEnabledFeatures = &features};
    return device->vk.CreateDevice(device->facts.physical, &info, NULL, &device->handle);
}

static void read_import_alignment(struct device *device) {
    VkPhysicalDeviceExternalMemoryHostPropertiesEXT host = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT};
    VkPhysicalDeviceProperties2 p = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                     .pNext = &host};
    device->vk.GetPhysicalDeviceProperties2(device->facts.physical, &p);
    device->import_alignment = host.minImportedHostPointerAlignment;
}

VkResult device_open(struct device *device, const char **call) {
    struct device_facts *f = &device->facts;
    *call = "vkCreateDevice";
    VkResult r = create(device);
    if (r == VK_ERROR_EXTENSION_NOT_PRESENT) { /* a driver may report features but not the names of
                                                  their extensions: try again with fewer features */
        if (f->api < VK_API_VERSION_1_3) f->dot = 0;
        f->import = 0;
        f->matrix = 0;
        r = create(device);
    }
    if (r) return r;
    *call = "vkGetDeviceProcAddr";
    if (vk_load_device(&device->vk, device->handle)) {
        if (device->vk.DestroyDevice) device->vk.DestroyDevice(device->handle, NULL);
        device->handle = NULL;
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    if (!device->vk.GetMemoryHostPointerPropertiesEXT) f->import = 0;
    if (f->import) read_import_alignment(device);
    device->vk.GetDeviceQueue(device->handle, f->family, 0, &device->queue);
    device->vk.GetPhysicalDeviceMemoryProperties(f->physical, &device->memory);
    return VK_SUCCESS;
}

VkResult device_timeline(struct device *device, VkSemaphore *semaphore) {
    VkSemaphoreTypeCreateInfo type = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
                                      .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE};
    VkSemaphoreCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type};
    return device->vk.CreateSemaphore(device->handle, &info, NULL, semaphore);
}

VkResult device_submit(struct device *device, const VkCommandBuffer *commands, uint32_t count,
                       VkSemaphore timeline, uint64_t value) {
    VkTimelineSemaphoreSubmitInfo values = {.sType =
                                                VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
                                            .signalSemaphoreValueCount = 1,
                                            .pSignalSemaphoreValues = &value};
    VkSubmitInfo info = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                         .pNext = &values,
                         .commandBufferCount = count,
                         .pCommandBuffers = commands,
                         .signalSemaphoreCount = 1,
                         .pSignalSemaphores = &timeline};
    return device->vk.QueueSubmit(device->queue, 1, &info, VK_NULL_HANDLE);
}

void device_close(struct device *device) {
    if (device->handle) device->vk.DestroyDevice(device->handle, NULL);
    if (device->instance && device->vk.DestroyInstance)
        device->vk.DestroyInstance(device->instance, NULL);
    device->handle = NULL;
    device->instance = NULL;
    vk_close(&device->vk);
}

void device_words(const struct device_facts *f, struct words *w) {
    static const char *const kinds[] = {"a software device, for tests: slower than the cpu engine",
                                        "a virtual GPU", "a discrete GPU", "an integrated GPU"};
    uint32_t r = rank(f->type);
    words_begin(w, f->name);
    words_add(w, ": ");
    words_add(w, r ? kinds[r - 1] : "a device of another kind");
    words_add(w, ", Vulkan ");
    words_number(w, VK_API_VERSION_MAJOR(f->api));
    words_add(w, ".");
    words_number(w, VK_API_VERSION_MINOR(f->api));
    if (f->refusal) {
        words_add(w, "; not usable: ");
        words_add(w, f->refusal);
        return;
    }
    words_add(w, f->dot ? ", integer dot products" : ", no integer dot products (slower)");
    if (f->wave64) words_add(w, ", waves of 64");
    if (f->matrix) words_add(w, ", cooperative matrices");
    words_add(w, f->import ? ", import of host memory"
                           : ", no import of host memory (weights are copied)");
}

/* The lock is held for the time of one submission to the queue. */
void device_lock(struct device *device) {
    uint32_t free = 0;
    if (atomic_compare_exchange_strong(&device->locked, &free, 1)) return;
    while (atomic_exchange(&device->locked, 2))
        if (device->port.thread_park)
            device->port.thread_park(device->port.user,
                                     (const uint32_t *)(const void *)&device->locked, 2);
}

void device_unlock(struct device *device) {
    if (atomic_exchange(&device->locked, 0) == 2 && device->port.thread_wake)
        device->port.thread_wake(device->port.user,
                                 (const uint32_t *)(const void *)&device->locked);
}
