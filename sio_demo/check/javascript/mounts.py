"""What runs when components are mounted, and the matching cleanups."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from ast_grep_py import SgNode

from ..calls import Call
from ..nodes import beyond, find_kinds, holds, kind, label, parts, span, text, unwrap
from ..shared import word_set
from .roles import OBSERVABLE, REGISTERS, names_a_client
from .script import FUNCTIONS
from .source import Source

JSX = ("jsx_element", "jsx_self_closing_element")
_REACT = ("react", "preact", "preact/hooks", "react-native")
EFFECTS = word_set(
    "useEffect useLayoutEffect useInsertionEffect useFocusEffect useIsomorphicLayoutEffect "
    "useMount useEffectOnce useDeepCompareEffect useUpdateEffect"
)
_VALUES_OF = word_set("useMemo useState")  # the functions that return them
_OF_SVELTE = word_set("onMount $effect")
MOUNTS = _OF_SVELTE | word_set(
    "onMounted onBeforeMount onActivated watchEffect watch createEffect useVisibleTask$"
)
UNMOUNTS = word_set(
    "onUnmounted onBeforeUnmount onDeactivated onScopeDispose onDestroy onBeforeRouteLeave "
    "onCleanup tryOnScopeDispose tryOnUnmounted tryOnBeforeUnmount useUnmount cleanup"
)
CLEANUPS = word_set("onCleanup onWatcherCleanup")
MEMBERS = word_set("pair field_definition public_field_definition")
OF_REACT = word_set(
    "constructor componentDidMount componentWillMount UNSAFE_componentWillMount componentDidUpdate"
)
OF_ANGULAR = word_set(
    "constructor ngOnInit ngAfterViewInit ngAfterContentInit ngOnChanges ionViewWillEnter "
    "ionViewDidEnter"
)
OF_ELEMENTS = word_set("constructor connectedCallback firstUpdated")
OF_SCENES = word_set("init preload create")  # of Phaser
OF_VUE = word_set("data setup created beforeMount mounted activated")
UNMOUNT_METHODS = word_set(
    "beforeDestroy destroyed unmounted beforeUnmount componentWillUnmount deactivated "
    "beforeRouteLeave ngOnDestroy ionViewWillLeave ionViewDidLeave disconnectedCallback shutdown"
)
_VALUES = word_set("identifier member_expression ternary_expression array binary_expression")
_MADE = r"\b(new Vue|createApp|createSSRApp)\(\s*"  # of an application, whose root is mounted once
_NAMED = re.compile(r"\b(\w+)(?:: ?\w+)? ?= ?(?:defineComponent\()?$")
_OF_OLD_REACT = re.compile(r"\bcreate(React)?Class\(\s*$")
_VIEWS = re.compile(r"\b(ng|ui)-(view|if|include|switch)\b")
_RESTARTS = re.compile(r"\.(scene|state)\.(re)?start\(")  # a scene that is left comes again
_OPTION = re.compile(r"(template|methods|computed|components)\b")
_CLASSES = (  # what stands before the body of a class, and the hooks that such a class has
    (re.compile(r"extends\s+\w*Vue\b"), OF_VUE),
    (re.compile(r"@(Component|Directive|IonicPage)\b"), OF_ANGULAR),
    (re.compile(r"extends\s+(HTML|Lit)Element\b"), OF_ELEMENTS),
    (re.compile(r"extends\s+(Phaser\.)?(Scene|State)\b"), OF_SCENES),
    (re.compile(r"extends\s+[\w.]*Component\b"), OF_REACT),
    (re.compile(""), OF_REACT - {"constructor"}),
)
_STEADY = re.compile(  # dependencies that hardly change, or that are the client itself
    r"(?i)socket(io|client|ref|context|instance)?(\.current)?$|\b(io|ws|client|connection|dispatch|"
    r"navigate|router|history|toast|t)$|ref$|(^|\.)(set|on|handle)[A-Z]"
)


@dataclass(frozen=True)
class Mount:
    """A function that runs when a component is mounted, and its cleanups.

    Of a `body`, only the statements run, not the functions in it. A client created in the `home`
    belongs to the component. What runs `again` while it stays has to take back what it did.
    """

    what: str
    function: SgNode
    cleanups: Sequence[SgNode]
    body: bool = False
    home: SgNode | None = None
    again: bool = False


def mounts_of(source: Source) -> list[Mount]:
    """Return what runs when components are mounted; of the root component, only effects."""
    effects = [m for c in source.script.called(*EFFECTS, *_VALUES_OF) for m in _effect(source, c)]
    found = [*effects, *_renders(source)]
    if source.made_once:
        return found
    others = (_hooks, _methods, _fields, _instance, _controllers, _elsewhere)
    return [*found, *(mount for mounts in others for mount in mounts(source))]


def _hooks(source: Source) -> Iterator[Mount]:
    for name in MOUNTS:
        watch = name == "watch"
        for call in source.script.by_name.get(name, ()):
            other = name == "createEffect" and "solid-js" not in source.roles.modules
            if other or len(call.args) <= watch or (watch and _watches_client(call.args[0])):
                continue
            home = source.script.enclosing(call.node)
            if home is None and source.instances:
                home = source.script.root
            if name in _OF_SVELTE:
                yield from (replace(m, what="hook", home=home) for m in _effect(source, call))
            elif function := source.flow.function_of(call.args[watch]):  # its result is ignored
                cleanups = given_to(source, CLEANUPS if watch else UNMOUNTS)
                yield Mount("hook", function, cleanups, home=home, again=watch)


def _watches_client(watched: SgNode) -> bool:
    """Return whether `watch` waits for another client, whose listeners are new."""
    name = re.search(r"(\w+)(\.value)?[\s);}]*$", watched.text()[-200:])
    return name is not None and names_a_client(name[1])


def _renders(source: Source) -> Iterator[Mount]:
    """Yield the components and hooks, of React or Solid, that register in their bodies."""
    adding = [c for c in source.script.calls if c.name in REGISTERS or source.roles.makes_client(c)]
    for function in {source.script.enclosing(call.node) for call in adding}:
        if function is not None and _is_component(source, function):
            yield Mount("render", function, given_to(source, CLEANUPS), body=True)


def _is_component(source: Source, function: SgNode) -> bool:
    name = source.script.names_of_functions.get(function, "")
    exported = kind(function.parent()) == "export_statement"
    if not exported and not re.match(r"[A-Z]|use[A-Z]", name):
        return False
    typed = source.script.grammar == "typescript"  # its grammar has no JSX
    if not name.startswith("use") and not typed and find_kinds(function, JSX):
        return True
    nothing = any(returned.text() == "null" for returned in source.script.returns(function))
    if not name.startswith("use") and nothing:
        return True
    own = source.script.own(function, "call_expression")
    react = not source.roles.modules.isdisjoint(_REACT)
    return react and any(re.match(r"use[A-Z]", text(c.field("function"))) for c in own)


def _instance(source: Source) -> Iterator[Mount]:
    if source.instances:
        root = source.script.root
        cleanups = given_to(source, UNMOUNTS)
        cleanups += [f for _, found in cleanups_of_effects(source, root) for f in found]
        yield Mount("hook", root, cleanups, body=True, home=root)


def _controllers(source: Source) -> Iterator[Mount]:
    """Yield what AngularJS makes again at each visit."""
    script = source.script
    if script.page is not None and not _VIEWS.search(script.text):
        return  # the controllers of a page are made once
    ends = [call for call in script.called("$on") if source.event_of(call) == "$destroy"]
    leaving = (source.flow.function_of(call.args[1]) for call in ends if len(call.args) > 1)
    cleanups = [*filter(None, leaving), *script.functions.get("$onDestroy", ())]
    given = [
        c.args[1]
        for c in script.called("controller")
        if c.args[1:] and not c.args[0].text()[1:5].lower().startswith(("app", "root"))
    ]
    for function in filter(None, map(source.flow.function_of, given)):
        yield Mount("hook", function, cleanups)


def _elsewhere(source: Source) -> Iterator[Mount]:
    """Yield the functions that components of other files run, without a cleanup of their own."""
    ends = [end for end, _ in source.run_elsewhere("unmount")]
    if len(ends) < sum(entry.when == "unmount" for entry in source.entries):
        return  # one of them may be a cleanup, and is not known
    for function, entry in source.run_elsewhere("mount"):
        cleanups = [*given_to(source, UNMOUNTS), *ends]
        inner = (step.function for step in source.flow.steps(function))
        observed = any(OBSERVABLE.search(f.text()) for f in inner)  # run for each subscriber
        body = not observed and entry.name != "constructor"
        yield Mount("hook", function, cleanups, body=body, again=observed)


def _effect(source: Source, call: Call) -> Iterator[Mount]:
    """Yield an effect, unless it returns what may be a cleanup and cannot be followed."""
    function_of = source.flow.function_of
    function = function_of(call.args[0]) if call.args else None
    value = call.name in _VALUES_OF  # and no cleanup
    returned = _returns(source, function) if function and not value else []
    if function and not any(function_of(r) is None and _may_clean(r, function) for r in returned):
        component = source.script.enclosing(call.node) or source.script.root
        cleanups = given_to(source, UNMOUNTS)
        for other, found in cleanups_of_effects(source, component):
            cleanups += found if _runs_as_often(other, call) else []
        yield Mount("effect", function, cleanups)


@lru_cache(maxsize=8)
def cleanups_of_effects(source: Source, component: SgNode) -> list[tuple[Call, list[SgNode]]]:
    effects = []
    for call in source.script.calls_within(component):
        if call.name in EFFECTS or call.name in MOUNTS:
            functions = map(source.flow.function_of, call.args[:1])
            returned = [r for function in functions if function for r in _returns(source, function)]
            effects.append((call, [f for f in map(source.flow.function_of, returned) if f]))
    return effects


def _runs_as_often(other: Call, call: Call) -> bool:
    """Return whether the cleanup of `other` runs whenever the effect `call` runs again."""
    if call.name == "useState":  # the first render calls it
        return True
    if len(call.args) < 2 or len(other.args) < 2:
        return len(other.args) < 2
    ours, theirs = ({part.text() for part in parts(c.args[1])} for c in (call, other))
    if text(label(call.node.parent(), "name")) in theirs:  # what `useMemo` made
        return True
    return not any(name not in theirs and not _STEADY.search(name) for name in ours)


def given_to(source: Source, names: Iterable[str], home: SgNode | None = None) -> list[SgNode]:
    calls = (c for c in source.script.called(*names) if c.args and holds(home or c.node, c.node))
    return list(filter(None, (source.flow.function_of(call.args[0]) for call in calls)))


def _may_clean(returned: SgNode, function: SgNode) -> bool:
    """Return whether an effect returns a function, perhaps; an early `return go("/")` does not."""
    last = parts(function.field("body"))[-1:]
    called = returned.kind() == "call_expression"
    early = called and any(span(statement)[0] > span(returned)[1] for statement in last)
    return not early and (called or returned.kind() in _VALUES)


def _returns(source: Source, function: SgNode) -> list[SgNode]:
    """Return the expressions that an effect returns; a promise is not a cleanup."""
    block = kind(function.field("body")) == "statement_block"
    values = () if function.text().startswith("async") else source.script.returns(function)
    return [v for v in map(unwrap, values) if block or v.kind() in FUNCTIONS]


def _fields(source: Source) -> Iterator[Mount]:
    """Yield the bodies of component classes, whose fields get their values for each instance."""
    for home in source.script.root.find_all(kind="class_body"):
        if _is_home(source, home, "constructor"):
            yield Mount("hook", home, _last_methods(source, home), body=True, home=home)


def _last_methods(source: Source, home: SgNode) -> list[SgNode]:
    found = (f for name in UNMOUNT_METHODS for f in source.script.functions.get(name, ()))
    methods = [function for function in found if holds(home, function)]
    return methods + given_to(source, UNMOUNTS, home)


def _methods(source: Source) -> Iterator[Mount]:
    for name in OF_REACT | OF_VUE | OF_ANGULAR | OF_ELEMENTS | OF_SCENES:
        for function in source.script.functions.get(name, ()):
            home = beyond(function, MEMBERS)
            if home is None or not _is_home(source, home, name):
                continue
            body, again = name == "setup", name in ("componentDidUpdate", "ngOnChanges")
            cleanups = [] if again else _last_methods(source, home)
            cleanups += _leaves_scene(source) if name in OF_SCENES else []
            yield Mount("hook", function, cleanups, body=body, home=home, again=again)
    vue = source.script.page is not None or _is_vue(source)
    for options in source.script.properties.get("watch", ()) if vue else ():
        for function in _watchers(options):
            yield Mount("hook", function, (), home=options.parent(), again=True)


def _leaves_scene(source: Source) -> list[SgNode]:
    """Return what starts another scene, and the handlers of `shutdown`."""
    called, function_of = source.script.called, source.flow.function_of
    found = [source.script.enclosing(call.node) for call in called("start", "restart")]
    ends = (call for call in called("once", "on") if source.event_of(call) == "shutdown")
    return list(filter(None, found + [function_of(call.args[-1]) for call in ends]))


def _watchers(options: SgNode) -> Iterator[SgNode]:
    """Yield the functions in `watch: { room() {}, user: { handler() {} } }`."""
    for member in parts(options):
        inner = member.field("value") or member
        if names_a_client(text(label(member, "name", "key"))):
            continue
        if inner.kind() in FUNCTIONS:
            yield inner
        elif inner.kind() == "object":
            yield from _watchers(inner)


def _is_home(source: Source, home: SgNode, name: str) -> bool:
    if name in OF_SCENES and not _RESTARTS.search(source.script.text):
        return False
    if home.kind() == "object":
        before = source.script.text[: span(home)[0]][-40:]
        if _OF_OLD_REACT.search(before):
            return name in OF_REACT
        named = _NAMED.search(before)
        root = re.search(rf"{_MADE}{named[1]}\b", source.script.text) if named else None
        if name not in OF_VUE or root or re.search(f"{_MADE}$", before):
            return name in OF_SCENES
        return _is_vue(source) or any(_OPTION.match(member.text()) for member in home.children())
    if home.kind() != "class_body" or (parent := home.parent()) is None:
        return False
    outer = parent.parent() if parent.kind() != "class" else None
    whole = outer if outer and outer.kind() == "export_statement" else parent
    heritage = whole.text()[: span(home)[0] - span(whole)[0]]
    return name in next(hooks for pattern, hooks in _CLASSES if pattern.search(heritage))


def _is_vue(source: Source) -> bool:
    modules = source.roles.modules
    return "<template" in source.script.text or any(map(re.compile("@?(vue|nuxt)").match, modules))
