package dev.gatun.cli;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.belongToAnyOf;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.GeneralCodingRules.ACCESS_STANDARD_STREAMS;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaMethodCall;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;
import dev.gatun.runtime.BackendProvider;
import java.lang.foreign.AddressLayout;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The rules that the modules are built by. They are tested here because this is the one module that
 * sees all the others.
 */
class ArchitectureTest {
  private static final String BINDINGS = "dev.gatun.bindings..";

  /** What jextract generated beside it can print its calls, if it is told to. */
  private static final String LOADER = "dev.gatun.bindings.loader..";

  private static final String RUNTIME = "dev.gatun.runtime..";
  private static final String MODELS = "dev.gatun.models..";
  private static final String SAMPLES = "dev.gatun.cli..";
  private static final String CPU = "dev.gatun.runtime.cpu..";
  private static final String ASSEMBLER = "dev.gatun.runtime.cpu.asm..";
  private static final String CUDA = "dev.gatun.runtime.cuda..";
  private static final String REFERENCE = "dev.gatun.runtime.reference..";
  private static final String VECTOR_API = "jdk.incubator.vector..";

  private static JavaClasses gatun;

  @BeforeAll
  static void importEveryModule() {
    gatun =
        new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("dev.gatun");
  }

  /** A rule about nothing would always hold. */
  private static void check(ArchRule rule) {
    rule.allowEmptyShould(false).check(gatun);
  }

  @Test
  void theRulesSeeEveryModule() {
    for (var name : Set.of("runtime.Backend", "runtime.cpu.CpuProvider", "models.Network")) {
      assertTrue(gatun.contain("dev.gatun." + name), name);
    }
    assertTrue(gatun.contain(Terminal.class), "cli");
    assertTrue(
        gatun.stream()
            .flatMap(c -> c.getDirectDependenciesFromSelf().stream())
            .anyMatch(d -> d.getTargetClass().getPackageName().equals("jdk.incubator.vector")),
        "what lies outside the modules");
  }

  @Test
  void dependenciesRunOneWay() {
    check(
        layeredArchitecture()
            .consideringOnlyDependenciesInLayers()
            .layer("bindings")
            .definedBy(BINDINGS)
            .layer("runtime")
            .definedBy(RUNTIME)
            .layer("models")
            .definedBy(MODELS)
            .layer("samples")
            .definedBy(SAMPLES)
            .whereLayer("bindings")
            .mayOnlyBeAccessedByLayers("runtime")
            .whereLayer("runtime")
            .mayOnlyBeAccessedByLayers("models", "samples")
            .whereLayer("models")
            .mayOnlyBeAccessedByLayers("samples")
            .whereLayer("samples")
            .mayNotBeAccessedByAnyLayer());
  }

  @Test
  void libraryModulesNeedNothingButTheJdk() {
    check(
        classes()
            .that()
            .resideInAnyPackage(BINDINGS, RUNTIME, MODELS)
            .should()
            .onlyDependOnClassesThat()
            .resideInAnyPackage("java..", VECTOR_API, "jdk.jfr..", BINDINGS, RUNTIME, MODELS));
  }

  @Test
  void onlyTheCpuBackendTouchesTheVectorApi() {
    check(
        noClasses()
            .that()
            .resideOutsideOfPackage(CPU)
            .should()
            .dependOnClassesThat()
            .resideInAPackage(VECTOR_API));
  }

  @Test
  void providersLoadWhereTheVectorApiIsMissing() {
    check(
        noClasses()
            .that()
            .implement(BackendProvider.class)
            .should()
            .dependOnClassesThat()
            .resideInAPackage(VECTOR_API));
  }

  @Test
  void nativeCodeIsCalledFromBindingsOnly() {
    check(
        noClasses()
            .that()
            .resideOutsideOfPackages(BINDINGS, ASSEMBLER)
            .should()
            .dependOnClassesThat(belongToAnyOf(Linker.class, SymbolLookup.class))
            .orShould()
            .callMethodWhere(restricted()));
  }

  /** The other methods that the JVM allows only with {@code --enable-native-access}. */
  private static DescribedPredicate<JavaMethodCall> restricted() {
    return describe(
        "the method is restricted",
        call -> {
          var owner = call.getTargetOwner();
          return switch (call.getName()) {
            case "reinterpret" -> owner.isEquivalentTo(MemorySegment.class);
            case "withTargetLayout" -> owner.isEquivalentTo(AddressLayout.class);
            case "enableNativeAccess" -> owner.isEquivalentTo(ModuleLayer.Controller.class);
            case "load", "loadLibrary" ->
                owner.isEquivalentTo(System.class) || owner.isEquivalentTo(Runtime.class);
            default -> false;
          };
        });
  }

  @Test
  void backendsAreReachedThroughTheContract() {
    check(
        noClasses()
            .that()
            .resideOutsideOfPackages(REFERENCE, CPU, CUDA)
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage(REFERENCE, CPU, CUDA));
  }

  @ParameterizedTest
  @ValueSource(strings = {"dev.gatun.runtime", "dev.gatun.models"})
  void packagesHaveNoCycles(String module) {
    check(slices().assignedFrom(packagesOf(module)).should().beFreeOfCycles());
  }

  /** One slice for each package; the module's own, too, which a pattern would leave out. */
  private static SliceAssignment packagesOf(String module) {
    return new SliceAssignment() {
      @Override
      public SliceIdentifier getIdentifierOf(JavaClass type) {
        var name = type.getPackageName();
        return name.equals(module) || name.startsWith(module + ".")
            ? SliceIdentifier.of(name)
            : SliceIdentifier.ignore();
      }

      @Override
      public String getDescription() {
        return "packages of " + module;
      }
    };
  }

  @Test
  void onlyProgramsPrint() {
    check(
        noClasses()
            .that()
            .resideInAnyPackage(LOADER, RUNTIME, MODELS)
            .should(ACCESS_STANDARD_STREAMS));
  }

  @Test
  void classesAreNamedForWhatTheyAre() {
    check(
        noClasses()
            .should()
            .haveNameMatching(".*(Util|Utils|Helper|Helpers|Manager)(\\$.*)?")
            .orShould()
            .resideInAnyPackage("..util..", "..utils..", "..helper..", "..helpers.."));
  }
}
