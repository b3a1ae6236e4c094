"""Beginnings of texts, which the teacher then continues: questions in its chat format, sentences,
code."""

SYSTEM = ('<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face'
          '<|im_end|>\n')
ASKED = SYSTEM + '<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n'

TOPICS = '''
gravity|volcanoes|the French Revolution|photosynthesis|vaccines|the Silk Road|recycling|
earthquakes|the water cycle|electric cars|coral reefs|the Renaissance|black holes|honey bees|
sleep|inflation|democracy|antibiotics|the Amazon rainforest|the moon landing|tea|coffee|chess|
jazz|meditation|public speaking|time management|healthy eating|running|yoga|gardening|
cooking rice|baking bread|learning a language|reading books|saving money|job interviews|teamwork|
leadership|climate change|solar energy|wind turbines|nuclear power|the human heart|the brain|
bones|the immune system|DNA|cells|atoms|magnets|light|sound|rainbows|tides|glaciers|deserts|
whales|elephants|penguins|eagles|snakes|spiders|butterflies|oak trees|mushrooms|the Roman Empire|
ancient Egypt|the Vikings|the Industrial Revolution|World War II|the Cold War|Shakespeare|
Beethoven|Picasso|Marie Curie|Isaac Newton|Albert Einstein|Leonardo da Vinci|Nelson Mandela|
Mahatma Gandhi|the United Nations|the stock market|supply and demand|taxes|small businesses|
marketing|customer service|email etiquette|social media|privacy online|passwords|the internet|
search engines|artificial intelligence|machine learning|robots|3D printing|satellites|Mars|
the solar system|stars|galaxies|telescopes|microscopes|thermometers|bridges|skyscrapers|trains|
airplanes|bicycles|ships|maps|calendars|clocks|money|writing|printing|photography|film|theater|
dance|painting|sculpture|poetry|novels|myths|fairy tales|dreams|memory|emotions|friendship|
kindness|honesty|courage|patience|stress|anxiety|exercise|vitamins|water|salt|sugar|chocolate|
cheese|pasta|soup|salads|apples|potatoes|corn|wheat|rice farming|fishing|forests|rivers|oceans|
mountains|islands|caves|weather forecasts|hurricanes|tornadoes|lightning|snow|seasons|the equator|
the North Pole|Australia|Japan|Brazil|Canada|Kenya|India|Italy|Mexico|Paris|London|New York|
museums|libraries|schools|teachers|homework|exams|universities|science fairs|experiments|
mathematics|fractions|geometry|algebra|probability|statistics|prime numbers|logic|philosophy|
ethics|religion|festivals|holidays|birthdays|weddings|pets|dogs|cats|horses|goldfish|parrots|zoos|
farms|tractors|plows|windmills|lighthouses'''.replace('\n', '').split('|')

QUESTIONS = '''
What is {}?|Explain {} to a child.|Write a short paragraph about {}.|Give me five facts about {}.|
Why is {} important?|How does {} work?|Tell me about {}.|What are the main ideas behind {}?|
Write a short story about {}.|Write a poem about {}.|What should a beginner know about {}?|
List three advantages and three disadvantages of {}.|Summarize the history of {}.|
How has {} changed over time?|Write an email to a friend about {}.|
Can you describe {} in simple words?|What are common mistakes people make with {}?|
Give me some tips on {}.|Compare {} and {}.|What is the connection between {} and {}?|
I have to give a talk about {}. Can you help me with an outline?|
What questions should I ask about {}?|Write a dialogue between two people who talk about {}.|
Who should I ask about {}?|Is it true that {} is hard to understand?|
Write a news headline and a short article about {}.|Create a quiz with three questions about {}.|
What would happen without {}?'''.replace('\n', '').split('|')

# In this list a backslash and an n stand for a line end.
OPENERS = '''
The history of {} begins|{} is|One of the most interesting things about {} is that|
In this lesson, we will learn about {}.|When people think of {}, they|Many people believe that {}|
The importance of {}|Once upon a time, there was a girl who loved {}.|
Scientists have studied {} for|A short introduction to {}:|How to get started with {}|
Title: {}\\n\\n|# {}\\n\\n|There are many reasons why {}|In the early days of {},|
The first time I heard about {}, I|Recent studies on {} show that|For centuries, {}|
Dear friend,\\n\\nI wanted to write to you about {}|Chapter 1: {}\\n\\n|Although {} may seem|
The relationship between {} and {} is|It was a cold morning, and everyone was talking about {}.|
Here are some facts about {}:\\n\\n1.|Q: What is {}?\\nA:|According to experts, {}'''.replace(
    '\n', '').replace('\\n', '\n').split('|')

TASKS = '''
reverse a string|check whether a number is even|find the largest number in a list|
count the vowels in a string|compute the factorial of a number|sort a list of numbers|
remove duplicates from a list|merge two dictionaries|read a file line by line|
write a list to a file|check whether a string is a palindrome|convert Celsius to Fahrenheit|
compute the average of a list|find the longest word in a sentence|
count how often each word occurs|generate random passwords|print a multiplication table|
compute the sum of digits|find common elements of two lists|flatten a nested list|
implement a stack|implement a linked list|binary search|bubble sort|
compute the greatest common divisor|check for prime numbers|draw a triangle of stars|
parse a CSV file|download a web page|connect to a database|parse JSON|format a date|
validate an email address|compute the area of a circle|rotate a list|transpose a matrix|
multiply two matrices|find the minimum of an array|capitalize each word|split a string on commas|
remove punctuation|swap two variables|compute the power of a number|convert a number to binary|
convert a string to an integer|shuffle a list|group items by key|compute a running total|
find missing numbers|simulate rolling dice|play rock, paper, scissors|build a to-do list|
create a bank account class|create a student class with grades|model a shopping cart|
log messages to a file|measure elapsed time|walk through a directory|rename files|
send an HTTP request|parse command line arguments|compute compound interest|count lines in a file|
replace words in a text|find anagrams|encrypt text with a Caesar cipher|compute the median|
compute a histogram|find the second largest number|zip two lists|filter odd numbers|
print numbers from 1 to 100|compute the length of a string|compare two strings|
make a simple calculator'''.replace('\n', '').split('|')

LANGUAGES = ['Python'] * 8 + [
    'JavaScript', 'JavaScript', 'C', 'C', 'Java', 'C++', 'Go', 'Rust', 'TypeScript', 'SQL', 'Bash',
    'HTML', 'Ruby', 'PHP'
]
CODE_QUESTIONS = [
    'Write a {1} function to {0}.', 'How do I {0} in {1}?', 'Write a {1} program to {0}.',
    'Show me {1} code to {0} and explain it.', 'Give an example in {1}: {0}.',
    'Implement this in {1}: {0}.'
]
CODE_OPENERS = {
    'Python': [
        'def {f}({a}):\n', 'def {f}({a}):\n    """{T}."""\n', '# {T}\ndef {f}({a}):\n',
        'import sys\n\n\ndef {f}({a}):\n    """\n    {T}.\n',
        'class {C}:\n    def __init__(self, {a}):\n', 'class {C}:\n    """{T}."""\n\n',
        'import os\nimport re\n\n\ndef main():\n    # {T}\n',
        'from typing import List\n\n\ndef {f}({a}: List[int]) -> int:\n', '"""{T}."""\nimport ',
        'def test_{f}():\n', '>>> {f}({a})\n'
    ],
    'JavaScript': [
        '// {T}\nfunction {f}({a}) {{\n', 'const {f} = ({a}) => {{\n',
        '/**\n * {T}.\n */\nfunction {f}({a}) {{\n'
    ],
    'C': [
        '/* {T}. */\nint {f}(int {a}) {{\n', '#include <stdio.h>\n#include <stdlib.h>\n\n// {T}\n',
        '#include <stdio.h>\n\nint main(void) {{\n    // {T}\n'
    ],
    'C++': ['#include <iostream>\n#include <vector>\n\n// {T}\n', 'class {C} {{\npublic:\n'],
    'Java': [
        'public class {C} {{\n    // {T}\n',
        'public class {C} {{\n    public static void main(String[] args) {{\n'
    ],
    'Go': ['package main\n\nimport "fmt"\n\n// {T}\nfunc {f}('],
    'Rust': ['// {T}\nfn {f}('],
    'TypeScript': ['// {T}\nexport function {f}({a}: '],
    'SQL': ['-- {T}\nSELECT '],
    'Bash': ['#!/bin/bash\n# {T}\n'],
    'HTML': ['<!DOCTYPE html>\n<html>\n<head>\n<title>{T}</title>\n'],
    'Ruby': ['# {T}\ndef {f}({a})\n'],
    'PHP': ['<?php\n// {T}\nfunction {f}(${a}) {{\n']
}
NAMES = [
    'items', 'n', 'text', 'data', 'values', 'numbers', 'a, b', 's', 'x', 'words', 'path', 'lst',
    'name', 'arr', 'x, y', 'line', 'key, value', 'nums, target'
]


# How the questions begin that the model then writes itself.
ASKING = '''
||||||What|What is|What are the|What's the best way to|How|How do|How can I|How does|How many|Why|
Why do|Why is|When|Where|Who|Which|Is it|Can you|Can you explain|Could you|Do|Does|Should I|
Explain|Explain how|Explain why|Describe|Describe the|Write a|Write a short|Write a story about|
Write a poem|Write an email|Write a letter to|Write a paragraph|Write an essay|Give me|Give me a|
Give me three|Give me a list of|List|List the|Name|Tell me|Tell me a|Tell me about|Summarize|
Suggest|Compare|Define|Create|Create a|Design a|Develop a|Imagine|Help me|I need|I want to|
I'm|I am|I have|My|My friend|The|In|If|Please|Translate|Rewrite|Rewrite the following sentence:|
Correct|Complete|Generate|Identify|Classify|Calculate|Find|Solve|Make|Plan|Recommend|Provide|
Hello|Hi|Good morning|Thanks|Let's|Act as|You are|Given|Based on|Consider|Using|
Write a Python function|Write a Python|Write a program|Write a function that|Write code|
How do I write|How can I use Python to|Implement|Write a SQL query|Write a JavaScript function|
Fix|Explain this code:|What does this code do?'''.replace('\n', '').split('|')

# How stories, letters, articles and notes begin.
PROSE = '''
It was|There was|There were|She|He|They|I|We|You|One day|One morning|Once upon a time|Last|Late|
After|Before|When|When the|While|As|As the|At|At the|On|On a|In|In the|In a small|For|From|By|
Inside|Outside|Under|Above|Near|Behind|The|The old|The young|The first|The last|The next|The most|
The two|The man|The woman|The boy|The girl|The teacher|The doctor|The house|The city|The door|
The sun|The wind|The company|The government|The team|The book|The study|The results|The author|
The problem|The best|The main|The reason|The purpose of|The difference|The number of|A|A new|A good|
A few|A man|An|This|This is|This article|These|Those|Some|Many|Most|Several|All|Every|Each|No|
Nobody|Everyone|Somebody|My|My mother|My father|His|Her|Their|Our|What|Why|How|How to|If|If you|
Because|Although|However,|Today|Yesterday|Now|Then|Finally|Dear|Dear Sir or Madam,|Hello,|Hi|Thank|
Welcome|Please|Let|Here|Here is|According to|During|Since|With|Without|Under the|Over the|People|
Children|Students|Scientists|Researchers|Doctors|Water|Food|Music|Language|History|Science|Health|
"|"I|"What|1.|2.|- |* |# |## |### |Q:|Step 1:|Note:|Abstract|Introduction|Summary:|Title:|
Subject:|Ingredients:|Chapter|Section'''.replace('\n', '').split('|')


def english(rng):
    text = rng.choice(OPENERS).format(rng.choice(TOPICS), rng.choice(TOPICS))
    return text[0].upper() + text[1:]


def code(rng):
    language, task = rng.choice(LANGUAGES), rng.choice(TASKS)
    words = [w for w in task.replace(',', '').split() if w not in ('a', 'the', 'of', 'in', 'an')]
    return rng.choice(CODE_OPENERS[language]).format(f='_'.join(words[:3]).lower(),
                                                     a=rng.choice(NAMES),
                                                     T=task[0].upper() + task[1:],
                                                     C=''.join(w.capitalize() for w in words[-2:]))


def question(rng):
    if rng.random() < 0.35:
        return rng.choice(CODE_QUESTIONS).format(rng.choice(TASKS), rng.choice(LANGUAGES))
    return rng.choice(QUESTIONS).format(rng.choice(TOPICS), rng.choice(TOPICS))


def beginning(rng):
    """Returns (kind, text, free). After 'ask' the model writes a question of its own and then
    answers it; 'people' continues a part of the training text. For the other kinds the first `free`
    ids are sampled."""
    x, free = rng.random(), rng.choice([0, 0, 3, 6, 12, 24])
    system = SYSTEM if rng.random() < 0.85 else ''
    if x < 0.40:
        return 'ask', system + '<|im_start|>user\n' + rng.choice(ASKING), 0
    if x < 0.58:
        asked = ASKED if system else ASKED[len(SYSTEM):]
        return 'chat', asked.format(question(rng)), 0
    if x < 0.68:
        return 'english', english(rng), free
    if x < 0.78:
        return 'prose', rng.choice(PROSE), rng.choice([3, 6, 12, 24])
    if x < 0.84:
        return 'free', '<|endoftext|>', rng.choice([8, 16, 32, 64])
    if x < 0.95:
        return 'code', code(rng), free
    return 'people', '', 0
