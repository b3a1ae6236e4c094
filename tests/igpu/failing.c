/* A Vulkan driver that fails a call, and one that lacks what is needed. The port's functions for
 * libraries put it in front of the real driver. Opening must be refused with a sentence, and a
 * session that is open must go on with the CPU and the same bits.
 *
 *   test_igpu_failing      exit status 77 if there is no device */
#define VK_NO_PROTOTYPES
#include <vulkan/vulkan_core.h>

#include "tests/speculate/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "igpu/device.h"

static const struct tiny_spec spec = {.layers = 1, .seed = 1};
static apus_blob blob;
static apus_port port; /* the host's with this driver in front */

/* -------------------------------------------------------------------------------- the driver -- */

/* Every function whose failure the engine can see. For each: how many calls there were, and which
 * of them fails, counted from 1; 0: none fails. */
#define FUNCTIONS(X)                                                                               \
    X(CreateInstance,                                                                              \
      (const VkInstanceCreateInfo *a, const VkAllocationCallbacks *b, VkInstance *c), (a, b, c))   \
    X(EnumeratePhysicalDevices, (VkInstance a, uint32_t * b, VkPhysicalDevice * c), (a, b, c))     \
    X(CreateDevice,                                                                                \
      (VkPhysicalDevice a, const VkDeviceCreateInfo *b, const VkAllocationCallbacks *c,            \
       VkDevice *d),                                                                               \
      (a, b, c, d))                                                                                \
    X(CreateBuffer,                                                                                \
      (VkDevice a, const VkBufferCreateInfo *b, const VkAllocationCallbacks *c, VkBuffer *d),      \
      (a, b, c, d))                                                                                \
    X(AllocateMemory,                                                                              \
      (VkDevice a, const VkMemoryAllocateInfo *b, const VkAllocationCallbacks *c,                  \
       VkDeviceMemory *d),                                                                         \
      (a, b, c, d))                                                                                \
    X(MapMemory,                                                                                   \
      (VkDevice a, VkDeviceMemory b, VkDeviceSize c, VkDeviceSize d, VkMemoryMapFlags e,           \
       void **f),                                                                                  \
      (a, b, c, d, e, f))                                                                          \
    X(BindBufferMemory, (VkDevice a, VkBuffer b, VkDeviceMemory c, VkDeviceSize d), (a, b, c, d))  \
    X(CreateDescriptorSetLayout,                                                                   \
      (VkDevice a, const VkDescriptorSetLayoutCreateInfo *b, const VkAllocationCallbacks *c,       \
       VkDescriptorSetLayout *d),                                                                  \
      (a, b, c, d))                                                                                \
    X(CreatePipelineLayout,                                                                        \
      (VkDevice a, const VkPipelineLayoutCreateInfo *b, const VkAllocationCallbacks *c,            \
       VkPipelineLayout *d),                                                                       \
      (a, b, c, d))                                                                                \
    X(CreateShaderModule,                                                                          \
      (VkDevice a, const VkShaderModuleCreateInfo *b, const VkAllocationCallbacks *c,              \
       VkShaderModule *d),                                                                         \
      (a, b, c, d))                                                                                \
    X(CreatePipelineCache,                                                                         \
      (VkDevice a, const VkPipelineCacheCreateInfo *b, const VkAllocationCallbacks *c,             \
       VkPipelineCache *d),                                                                        \
      (a, b, c, d))                                                                                \
    X(CreateComputePipelines,                                                                      \
      (VkDevice a, VkPipelineCache b, uint32_t c, const VkComputePipelineCreateInfo *d,            \
       const VkAllocationCallbacks *e, VkPipeline *f),                                             \
      (a, b, c, d, e, f))                                                                          \
    X(CreateDescriptorPool,                                                                        \
      (VkDevice a, const VkDescriptorPoolCreateInfo *b, const VkAllocationCallbacks *c,            \
       VkDescriptorPool *d),                                                                       \
      (a, b, c, d))                                                                                \
    X(AllocateDescriptorSets,                                                                      \
      (VkDevice a, const VkDescriptorSetAllocateInfo *b, VkDescriptorSet *c), (a, b, c))           \
    X(CreateCommandPool,                                                                           \
      (VkDevice a, const VkCommandPoolCreateInfo *b, const VkAllocationCallbacks *c,               \
       VkCommandPool *d),                                                                          \
      (a, b, c, d))                                                                                \
    X(AllocateCommandBuffers,                                                                      \
      (VkDevice a, const VkCommandBufferAllocateInfo *b, VkCommandBuffer *c), (a, b, c))           \
    X(BeginCommandBuffer, (VkCommandBuffer a, const VkCommandBufferBeginInfo *b), (a, b))          \
    X(EndCommandBuffer, (VkCommandBuffer a), (a))                                                  \
    X(CreateSemaphore,                                                                             \
      (VkDevice a, const VkSemaphoreCreateInfo *b, const VkAllocationCallbacks *c,                 \
       VkSemaphore *d),                                                                            \
      (a, b, c, d))                                                                                \
    X(WaitSemaphores, (VkDevice a, const VkSemaphoreWaitInfo *b, uint64_t c), (a, b, c))           \
    X(QueueSubmit, (VkQueue a, uint32_t b, const VkSubmitInfo *c, VkFence d), (a, b, c, d))

#define ENUMERATE(name, parameters, arguments) F_##name,
enum { FUNCTIONS(ENUMERATE) F_COUNT };
#define NAME(name, parameters, arguments) "vk" #name,
static const char *const names[] = {FUNCTIONS(NAME)};
static uint32_t calls[F_COUNT], fails[F_COUNT];
static PFN_vkVoidFunction real[F_COUNT];
static PFN_vkGetInstanceProcAddr real_instance;
static PFN_vkGetDeviceProcAddr real_device;
static PFN_vkGetPhysicalDeviceFeatures2 real_features;
static PFN_vkGetPhysicalDeviceProperties2 real_properties;

/* A call that fails leaves nothing usable in its results, and a device that was lost stays lost. */
#define WRAP(name, parameters, arguments)                                                          \
    static VkResult VKAPI_CALL wrap_##name parameters {                                            \
        if (++calls[F_##name] == fails[F_##name])                                                  \
            return F_##name >= F_WaitSemaphores ? VK_ERROR_DEVICE_LOST                             \
                                                : VK_ERROR_OUT_OF_DEVICE_MEMORY;                   \
        PFN_vk##name call;                                                                         \
        memcpy(&call, &real[F_##name], sizeof call);                                               \
        return call arguments;                                                                     \
    }
FUNCTIONS(WRAP)

enum lie {
    HONEST,
    OLD,
    NO_TIMELINE,
    NO_ROUNDING,
    NO_INDEXING,
    FEW_BUFFERS,
    SMALL_BUFFERS,
    LIES,
    DISCRETE
};
static enum lie lie;

static void VKAPI_CALL wrap_features(VkPhysicalDevice device, VkPhysicalDeviceFeatures2 *features) {
    real_features(device, features);
    if (lie == NO_INDEXING) features->features.shaderStorageBufferArrayDynamicIndexing = VK_FALSE;
    for (VkBaseOutStructure *s = features->pNext; s; s = s->pNext)
        if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES && lie == NO_TIMELINE)
            ((VkPhysicalDeviceVulkan12Features *)(void *)s)->timelineSemaphore = VK_FALSE;
}

static void VKAPI_CALL wrap_properties(VkPhysicalDevice device, VkPhysicalDeviceProperties2 *p) {
    real_properties(device, p);
    if (lie == DISCRETE) p->properties.deviceType = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    if (lie == OLD) p->properties.apiVersion = VK_API_VERSION_1_1;
    if (lie == FEW_BUFFERS) p->properties.limits.maxPerStageDescriptorStorageBuffers = 4;
    if (lie == SMALL_BUFFERS) p->properties.limits.maxStorageBufferRange = 4096;
    for (VkBaseOutStructure *s = p->pNext; s; s = s->pNext)
        if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES &&
            lie == NO_ROUNDING)
            ((VkPhysicalDeviceVulkan12Properties *)(void *)s)->shaderRoundingModeRTEFloat32 =
                VK_FALSE;
}

static PFN_vkVoidFunction wrapped(const char *name, PFN_vkVoidFunction f) {
#define TABLE(n, parameters, arguments) (PFN_vkVoidFunction) wrap_##n,
    static const PFN_vkVoidFunction table[] = {FUNCTIONS(TABLE)};
    for (int i = 0; f && i < F_COUNT; i++)
        if (!strcmp(name, names[i])) {
            real[i] = f;
            return table[i];
        }
    return f;
}

static PFN_vkVoidFunction VKAPI_CALL device_function(VkDevice device, const char *name) {
    return wrapped(name, real_device(device, name));
}

static PFN_vkVoidFunction VKAPI_CALL instance_function(VkInstance instance, const char *name) {
    PFN_vkVoidFunction f = real_instance(instance, name);
    if (f && !strcmp(name, "vkGetDeviceProcAddr")) {
        real_device = (PFN_vkGetDeviceProcAddr)f;
        return (PFN_vkVoidFunction)device_function;
    }
    if (f && !strcmp(name, "vkGetPhysicalDeviceFeatures2")) {
        real_features = (PFN_vkGetPhysicalDeviceFeatures2)f;
        return (PFN_vkVoidFunction)wrap_features;
    }
    if (f && !strcmp(name, "vkGetPhysicalDeviceProperties2")) {
        real_properties = (PFN_vkGetPhysicalDeviceProperties2)f;
        return (PFN_vkVoidFunction)wrap_properties;
    }
    return wrapped(name, f);
}

static void *symbol(void *user, void *library, const char *name) {
    void *s = apus_port_host()->library_symbol(user, library, name);
    if (!s || strcmp(name, "vkGetInstanceProcAddr") != 0) return s;
    PFN_vkGetInstanceProcAddr own = instance_function;
    memcpy(&real_instance, &s, sizeof s);
    memcpy(&s, &own, sizeof s);
    return s;
}

static char sentence[512];
static void note_sentence(void *user, int level, const char *text) {
    (void)user;
    if (level <= APUS_LOG_WARN) snprintf(sentence, sizeof sentence, "%s", text);
}

/* ------------------------------------------------------------------------------------- tests -- */

/* Opens a model and a session and generates. Returns the first status that is not APUS_OK, or
 * APUS_OK. */
static apus_status run(struct result *result) {
    apus_memory need = {.size = sizeof need}, arena_need = {.size = sizeof arena_need};
    apus_model *model;
    apus_session *session;
    apus_sampling sampling = sampling_of(0);
    sampling.max_tokens = 4;
    sentence[0] = 0;
    memset(calls, 0, sizeof calls);
    const apus_engine_config engine = {.size = sizeof engine, .name = "igpu"};
    apus_model_config config = {.size = sizeof config,
                                .blob = &blob,
                                .port = &port,
                                .engines_count = 1,
                                .engines = &engine};
    apus_status s = apus_model_measure(&config, &need);
    if (s) return s;
    void *memory = aligned_alloc(64, need.bytes), *arena = NULL;
    s = apus_model_open(&model, &config, memory, need.bytes);
    if (!s) {
        apus_config sc = {.size = sizeof sc, .model = model, .context = 64, .chunk = 8};
        s = apus_measure(&sc, &arena_need);
        if (!s) arena = aligned_alloc(64, arena_need.bytes);
        if (!s) s = apus_open(&session, &sc, arena, arena_need.bytes);
        if (!s) {
            prompt(session, "abcabd");
            generate(session, &sampling, 0, result);
            apus_close(session);
        }
        apus_model_close(model);
    }
    free(arena);
    free(memory);
    return s;
}

static void a_call_fails(void **unused) {
    (void)unused;
    struct result *want = calloc(1, sizeof *want), *got = calloc(1, sizeof *got);
    uint32_t all[F_COUNT], refused = 0, went_on = 0;
    memset(fails, 0, sizeof fails);
    assert_int_equal(run(want), APUS_OK);
    assert_string_equal(want->stats.engine, "igpu");
    memcpy(all, calls, sizeof all);
    for (int f = 0; f < F_COUNT; f++) {
        uint32_t of[] = {1, all[f] / 2, all[f]}; /* the first, one in the middle, the last */
        assert_true(all[f] > 0);
        for (int i = 0; i < 3; i++) {
            if (!of[i] || (i && of[i] <= of[i - 1])) continue;
            memset(fails, 0, sizeof fails);
            fails[f] = of[i];
            apus_status s = run(got);
            if (!s) {
                assert_same(got, want);
                went_on += !strcmp(got->stats.engine, "cpu");
            } else {
                refused++;
                if (s != APUS_E_ENGINE && s != APUS_E_UNAVAILABLE)
                    fail_msg("call %u of %s: status %d", of[i], names[f], s);
            }
            if ((s || !strcmp(got->stats.engine, "cpu")) && !*sentence)
                fail_msg("call %u of %s: not a word", of[i], names[f]);
        }
    }
    printf("%u refused, %u went on with the CPU\n", refused, went_on);
    assert_true(refused > F_COUNT && went_on >= 2);
    memset(fails, 0, sizeof fails);
    free(want), free(got);
}

static void a_driver_without(void **unused) {
    (void)unused;
    static const struct {
        apus_status status;
        const char *words;
    } want[LIES] = {
        [OLD] = {APUS_E_UNAVAILABLE, "older than Vulkan 1.2"},
        [NO_TIMELINE] = {APUS_E_UNAVAILABLE, "timeline semaphores"},
        [NO_ROUNDING] = {APUS_E_UNAVAILABLE, "rounding to nearest"},
        [NO_INDEXING] = {APUS_E_UNAVAILABLE, "index arrays"},
        [FEW_BUFFERS] = {APUS_E_UNAVAILABLE, "fewer than 10"},
        [SMALL_BUFFERS] = {APUS_E_UNSUPPORTED, "larger buffer than this device lets a shader"}};
    struct result *got = calloc(1, sizeof *got);
    for (lie = OLD; lie < LIES; lie++) {
        assert_int_equal(run(got), want[lie].status);
        if (!want[lie].words || !strstr(sentence, want[lie].words))
            fail_msg("'%s' does not say '%s'", sentence, want[lie].words);
    }
    lie = HONEST;
    free(got);
}

/* A discrete device copies the weights, even if its driver offers to import memory. */
static void a_discrete_device_copies(void **unused) {
    (void)unused;
    struct device device;
    struct device_facts honest, facts;
    assert_null(device_instance(&device, &port));
    assert_true(device_at(&device, 0, &honest));
    lie = DISCRETE;
    assert_true(device_at(&device, 0, &facts));
    lie = HONEST;
    assert_false(facts.import);
    printf("%s: %s as it is\n", facts.name, honest.import ? "imports" : "does not import");
    device_close(&device);
}

static int found;
static void note(void *user, const char *engine, int available, const char *words) {
    (void)user, (void)words;
    found |= available && !strcmp(engine, "igpu");
}

int main(void) {
    static struct device held; /* held to the end, because NVIDIA's driver can be loaded only some
                                  30 times in a process */
    size_t bytes;
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_call_fails),
                                       cmocka_unit_test(a_driver_without),
                                       cmocka_unit_test(a_discrete_device_copies)};
    apus_probe(apus_port_host(), note, NULL);
    if (!found) {
        printf("skipped: the igpu engine cannot run here\n");
        return 77;
    }
    if (device_instance(&held, apus_port_host())) return 1;
    port = *apus_port_host();
    port.library_symbol = symbol;
    port.log = note_sentence;
    void *data = keep(tiny_blob(&spec, &bytes));
    if (apus_blob_open(&blob, data, bytes, NULL)) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
